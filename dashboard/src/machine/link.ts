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
  const robot = await connect(target);
  const client = new GenericServiceClient(robot, service);
  return {
    ask: (request, timeoutMs) => client.doCommand(Struct.fromJson(request), { timeoutMs }),
    close: () => void robot.disconnect().catch(() => undefined),
    onLost: (listener) => {
      robot.on(MachineConnectionEvent.DISCONNECTED, listener);
    },
  };
}

async function connect(target: Target): Promise<RobotClient> {
  const robot = new RobotClient();
  try {
    await robot.dial(confOf(target));
    return robot;
  } catch (error) {
    // A machine without authentication has no login to answer, and needs none.
    if (target.way === 'webrtc' || !target.apiKey || !NO_LOGIN.test(readError(error).text)) throw error;
    return connect({ way: target.way, host: target.host });
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
