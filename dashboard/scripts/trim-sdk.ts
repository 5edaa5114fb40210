/** Leaves out of the Viam SDK what this page never asks: each component's and service's client but the generic one. */
import type { Plugin } from 'vite';

/** `get armService() {...}` of the SDK's RobotClient: each holds all messages of its service in the page. */
const GETTER =
  /\n {2}get (?!generic)\w+Service\(\) \{\n {4}return this\.\w+ \?\?= this\.createServiceClient\(\s*[\w$]+\s*\), this\.\w+;\n {2}\}/g;

export function trimSdk(): Plugin {
  return {
    name: 'trim-sdk',
    apply: 'build',
    transform: {
      filter: { id: /@viamrobotics\/sdk\/dist\/main\.es\.js$/ },
      handler(code) {
        const trimmed = code.replace(GETTER, '');
        if (trimmed === code) this.error('The Viam SDK has changed: trim-sdk.ts finds nothing to leave out.');
        return { code: trimmed, map: null };
      },
    },
  };
}
