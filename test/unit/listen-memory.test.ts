// Which ports a node had last: kept over a restart, and worthless when it makes no sense.

import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'

import { readPorts, rememberPorts, withPorts } from '../../engine/platform/listen-memory.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const anyV4 = '/ip4/0.0.0.0/tcp/0'
const anyV6 = '/ip6/::/tcp/0'

describe('the memory of ports', () => {
  it('keeps for each address with any port the one that its family got', () => {
    using directory = temporaryDirectory()
    const path = `${directory.path}/ports.json`
    rememberPorts(path, [anyV4, anyV6, '/ip4/127.0.0.1/tcp/9000'], ['/ip6/::1/tcp/41006/p2p/x', '/ip4/127.0.0.1/tcp/41004/p2p/x'])
    const ports = readPorts(path)
    assert.deepEqual(ports, { [anyV4]: 41004, [anyV6]: 41006 })
    assert.deepEqual(withPorts([anyV4, anyV6, '/ip4/127.0.0.1/tcp/9000'], ports), [
      '/ip4/0.0.0.0/tcp/41004',
      '/ip6/::/tcp/41006',
      '/ip4/127.0.0.1/tcp/9000',
    ])
    if (process.platform !== 'win32') assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  it('replaces what was remembered before, and forgets a family that got none', () => {
    using directory = temporaryDirectory()
    const path = `${directory.path}/ports.json`
    rememberPorts(path, [anyV4, anyV6], ['/ip4/1.2.3.4/tcp/1000/p2p/x', '/ip6/::1/tcp/2000/p2p/x'])
    rememberPorts(path, [anyV4, anyV6], ['/ip4/1.2.3.4/tcp/3000/p2p/x'])
    assert.deepEqual(readPorts(path), { [anyV4]: 3000 })
  })

  it('leaves an address with a port of its own alone, whatever was remembered', () => {
    assert.deepEqual(withPorts(['/ip4/0.0.0.0/tcp/4001'], { '/ip4/0.0.0.0/tcp/4001': 5 }), ['/ip4/0.0.0.0/tcp/4001'])
    assert.deepEqual(withPorts([anyV4], {}), [anyV4])
  })

  const nonsense = ['', 'null', '3', '[]', '{', '"x"', '{"a":"1"}', '{"a":0}', '{"a":65536}', '{"a":1.5}', '{"a":-1}', '{"a":null}']
  for (const text of nonsense) {
    it(`is empty when its file holds ${text === '' ? 'nothing' : text}`, () => {
      using directory = temporaryDirectory()
      writeFileSync(`${directory.path}/ports.json`, text)
      assert.deepEqual(readPorts(`${directory.path}/ports.json`), {})
      assert.equal(readFileSync(`${directory.path}/ports.json`, 'utf8'), text)
    })
  }

  it('is empty without a file', () => {
    using directory = temporaryDirectory()
    assert.deepEqual(readPorts(`${directory.path}/none`), {})
  })
})
