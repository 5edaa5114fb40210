/** A connection to the machine by the Viam SDK; the only file that knows of it. */
import {
  GenericServiceClient,
  MachineConnectionEvent,
  RobotClient,
  Struct,
  type DialConf,
} from '@viamrobotics/sdk';
import { readError } from './errors';
import type { Link } from './machine';
import type { Target } from './target';

/** Viam's signaling server, by which WebRTC finds a machine. */
const SIGNALING = 'https://app.viam.com:443';
const DIAL_TIMEOUT_MS = 15_000;
/** What a machine answers to a login that it does not ask for. */
const NO_LOGIN = /AuthService|unimplemented/i;

/**
 * Connects once, and does not reconnect by itself: whoever asks decides when to try again.
 * @throws whatever the SDK throws
 */
export async function dial(target: Target, service: string): Promise<Link> {
  const [robot, client] = await connect(target, service);
  return {
    ask: (request, timeoutMs) => client.doCommand(Struct.fromJson(request), { timeoutMs }),
    close: () => void robot.disconnect().catch(() => undefined),
    onLost: (listener) => {
      robot.on(MachineConnectionEvent.DISCONNECTED, listener);
    },
  };
}

async function connect(target: Target, service: string): Promise<[RobotClient, GenericServiceClient]> {
  const robot = new RobotClient();
  const dialled = robot.dial(confOf(target));
  try {
    return [robot, await clientOf(robot, service, dialled)];
  } catch (error) {
    // A machine without authentication has no login to answer, and needs none.
    if (target.way === 'webrtc' || !target.apiKey || !NO_LOGIN.test(readError(error).text)) throw error;
    return connect({ way: target.way, host: target.host }, service);
  }
}

/**
 * The service's client. Over HTTP and without a login the SDK knows the way at once and only tries it: the first question
 * goes beside that trial, not after it.
 */
async function clientOf(
  robot: RobotClient,
  service: string,
  dialled: Promise<unknown>,
): Promise<GenericServiceClient> {
  const soon = new Promise((resolve) => setTimeout(resolve));
  await Promise.race([dialled, soon]);
  try {
    const client = new GenericServiceClient(robot, service);
    dialled.catch(() => undefined); // the question fails as well, and says so
    return client;
  } catch {
    await dialled;
    return new GenericServiceClient(robot, service);
  }
}

function confOf({ way, host, apiKey }: Target): DialConf {
  const common = {
    host,
    noReconnect: true,
    disableSessions: true,
    dialTimeout: DIAL_TIMEOUT_MS,
    ...(apiKey && { credentials: { type: 'api-key' as const, payload: apiKey.key, authEntity: apiKey.id } }),
  };
  return way === 'direct' ? common : { ...common, signalingAddress: SIGNALING };
}
