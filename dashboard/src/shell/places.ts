/** Which locations a text finds. */

export interface Place {
  /** Undefined: the machine's own. */
  readonly id?: string;
  readonly name?: string | undefined;
}

/** As many as a list shows. */
const MOST = 40;

/** The first locations with this text in their name or ID; those that begin with it come first. */
export function matches(locations: readonly { location_id: string; name?: string }[], text: string): Place[] {
  const wanted = text.trim().toLocaleLowerCase();
  const first: Place[] = [];
  const others: Place[] = [];
  for (const { location_id: id, name } of locations) {
    const texts = [id, name ?? ''].map((one) => one.toLocaleLowerCase());
    if (texts.some((one) => one.startsWith(wanted))) first.push({ id, name });
    else if (others.length < MOST && texts.some((one) => one.includes(wanted))) others.push({ id, name });
    if (first.length === MOST) break;
  }
  return [...first, ...others].slice(0, MOST);
}
