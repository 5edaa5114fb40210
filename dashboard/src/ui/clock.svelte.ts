/** The time that texts such as `3 minutes ago` are about; it moves while the page is shown. */

const EVERY_MS = 15_000;

class Clock {
  now = $state(Date.now());

  constructor() {
    const tick = () => {
      if (!document.hidden) this.now = Date.now();
    };
    setInterval(tick, EVERY_MS);
    document.addEventListener('visibilitychange', tick);
  }
}

export const clock = new Clock();
