import { expect, test } from 'vitest';
import { NoTarget, direct, targetOf } from '../src/machine/target';

const ID = '5d1c7b3a-2e4f-4a86-9b0c-1f2e3d4c5b6a';
const LOGIN = {
  apiKey: { id: 'key-id', key: 'secret' },
  hostname: 'robot-main.abc.viam.cloud',
  machineId: ID,
};

function inViam(cookie: unknown, search = ''): ReturnType<typeof targetOf> {
  const text = typeof cookie === 'string' ? cookie : `${ID}=${encodeURIComponent(JSON.stringify(cookie))}`;
  return targetOf({ pathname: `/machine/${ID}/`, search, cookie: `other=1; ${text}` });
}

test('in a Viam application the cookie of the machine leads to it', () => {
  const expected = { way: 'webrtc', host: LOGIN.hostname, apiKey: LOGIN.apiKey };
  expect(inViam(LOGIN)).toEqual(expected);
  const { apiKey, ...rest } = LOGIN;
  const credentials = { type: 'api-key', payload: apiKey.key, authEntity: apiKey.id };
  expect(inViam({ ...rest, credentials })).toEqual(expected);
});

test('no link can lead the page of a Viam application to another machine', () => {
  expect(inViam(LOGIN, '?host=http://evil.local')).toMatchObject({ host: LOGIN.hostname });
});

test.each([
  ['none', 'third=2'],
  ['no JSON', `${ID}=%7Bbroken`],
  ['a broken escape', `${ID}=%E0%A4%A`],
  ['a list', []],
  ['null', null],
  ['no key', { hostname: LOGIN.hostname, machineId: ID }],
  ['a key with a line break', { ...LOGIN, apiKey: { id: 'a', key: 'b\nc' } }],
  ['a host with a path', { ...LOGIN, hostname: 'robot.viam.cloud/evil' }],
  ['a host with a user', { ...LOGIN, hostname: 'a@robot.viam.cloud' }],
  ['another machine', { ...LOGIN, machineId: 'other' }],
])('a cookie with %s is no login', (_what, cookie) => {
  expect(() => inViam(cookie)).toThrow(NoTarget);
});

test('the path of a machine that cannot be one is refused', () => {
  expect(() => targetOf({ pathname: '/machine/a%20b/', search: '', cookie: '' })).toThrow(NoTarget);
});

test('elsewhere the address names the machine, or nothing does', () => {
  const at = (search: string) => targetOf({ pathname: '/', search, cookie: '' });
  expect(at('')).toBeUndefined();
  expect(at('?host=localhost:8080')).toEqual({ way: 'direct', host: 'http://localhost:8080' });
  expect(at('?host=https://robot.local:8080')).toEqual({ way: 'direct', host: 'https://robot.local:8080' });
  expect(at('?host=127.0.0.1:9')).toEqual({ way: 'direct', host: 'http://localhost:9' });
});

test.each(['http://example.com', 'localhost.evil.example', 'mylocal.com', 'http://', 'javascript:alert(1)'])(
  '%s is no direct address',
  (address) => {
    expect(() => direct(address)).toThrow(NoTarget);
  },
);
