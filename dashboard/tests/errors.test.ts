import { expect, test } from 'vitest';
import { readError } from '../src/machine/errors';

function connectError(code: string, message: string): Error {
  return Object.assign(new Error(`[${code}] ${message}`), { name: 'ConnectError', rawMessage: message });
}

test('an error of the module is read by its prefix, whatever the status has become', () => {
  for (const status of ['permission_denied', 'unknown']) {
    const error = readError(connectError(status, 'out_of_scope: location "x" is not allowed. Add it.'));
    expect(error).toMatchObject({
      trouble: 'module',
      code: 'out_of_scope',
      text: 'location "x" is not allowed. Add it.',
    });
    expect(error.refused).toBe(true);
    expect(error.passing).toBe(false);
  }
});

test('a module error may have several lines and colons', () => {
  expect(readError(connectError('unknown', 'cloud_rejected: one: two\nthree')).text).toBe('one: two\nthree');
});

test.each([
  'no node found with api rdk:service:generic and name other',
  'not connected', // its module is away
])('a service that is not there is not an unreachable machine: %s', (message) => {
  const error = readError(connectError('unknown', message));
  expect(error).toMatchObject({ trouble: 'no_service', passing: true });
});

test('a dial that failed tells the reason of each way', () => {
  const cause = [new Error('no route'), connectError('unauthenticated', 'invalid credentials')];
  const error = readError(new Error('Failed to connect via all methods', { cause }));
  expect(error.trouble).toBe('login');
  expect(error.text).toContain('no route');
});

test('anything else is a machine that cannot be reached', () => {
  for (const thrown of [
    new TypeError('Failed to fetch'),
    connectError('unavailable', 'unavailable: gone'),
    'text',
  ]) {
    expect(readError(thrown)).toMatchObject({ trouble: 'unreachable', passing: true });
  }
});

test('a cloud that is away passes, and a key that is refused does not', () => {
  expect(readError(connectError('unknown', 'cloud_unreachable: no answer. Try later.')).passing).toBe(true);
  expect(readError(connectError('unknown', 'key_rejected: no. Set another.')).passing).toBe(false);
});
