// A host whose blocks are in object storage, as a daemon: it stores, serves, survives a kill and a storage that goes away, and refuses
// what would mix up stores.

import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { homePaths } from '../../engine/platform/home.ts'
import { never } from '../support/blocks.ts'
import { eventually, TestNodes, type TestDaemon } from '../support/daemon.ts'
import { S3Server, testBucket, testKeys } from '../support/s3-server.ts'

const waitMs = 60_000

let server: S3Server
before(async () => {
  server = await S3Server.open()
  process.env['AWS_ACCESS_KEY_ID'] = testKeys.accessKeyId // the daemons inherit them
  process.env['AWS_SECRET_ACCESS_KEY'] = testKeys.secretAccessKey
})
after(async () => {
  await server[Symbol.asyncDispose]()
})

function serveAt(prefix: string): string[] {
  return [
    '--class',
    'always-on',
    '--capacity',
    '1GB',
    '--zone',
    'cloud',
    '--store',
    `s3://${testBucket}/${prefix}`,
    '--s3-endpoint',
    server.endpoint,
  ]
}

async function openPair(
  test: TestContext,
  prefix: string,
): Promise<{ nodes: TestNodes; owner: TestDaemon; host: TestDaemon; root: string }> {
  const nodes = new TestNodes(test)
  const root = nodes.makeDirectory('photos')
  for (let number = 0; number < 12; number++) writeFileSync(join(root, `huhn-${number}.txt`), `gackern ${number} `.repeat(50))
  writeFileSync(join(root, 'film.bin'), Buffer.alloc(2_000_000, 'nachtigall '))
  const owner = await nodes.start('owner')
  await owner.call('addFolder', { path: root, name: 'photos' })
  const host = await nodes.start('host', { serve: serveAt(prefix) })
  await host.call('join', { link: await owner.share('photos', 'host') })
  return { nodes, owner, host, root }
}

async function bucketBytes(prefix: string): Promise<Buffer> {
  using objects = server.objects(prefix)
  const { items } = await objects.list('', '', never)
  const all: Uint8Array[] = []
  for (const { key, sizeBytes } of items) all.push((await objects.get(key, undefined, sizeBytes, never)) ?? new Uint8Array(0))
  return Buffer.concat(all)
}

describe('a host with its blocks in a bucket', () => {
  it('counts as a copy, goes on after a kill, waits for a storage that is away, and holds no name and no content in the clear', async (test) => {
    const { owner, host, root } = await openPair(test, 'one')
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
    const kept = await bucketBytes('one')
    assert.ok(kept.length > 6000)
    for (const secret of ['huhn', 'gackern', 'nachtigall', 'film.bin']) assert.equal(kept.includes(secret), false, secret)
    const { blocks } = await host.call('store', {})
    await host.kill()
    rmSync(join(homePaths(host.home).bucket, 'index'), { recursive: true, force: true })
    await host.start()
    assert.equal((await host.call('store', {})).blocks, blocks)

    const port = await server.unplug()
    try {
      writeFileSync(join(root, 'late.txt'), 'written while the storage was away')
      await eventually('the host to say that its storage is away', waitMs, async () =>
        (await host.problemCodes()).includes('STORE_OFFLINE') ? true : undefined,
      )
      assert.equal((await host.call('store', {})).state, 'offline')
      assert.match((await host.command('store', 'status')).out, /cannot be reached/)
      assert.equal((await host.call('store', {})).blocks, blocks)
    } finally {
      await server.listen(port)
    }
    await owner.call('waitCopies', { folder: 'photos', copies: 2, timeoutMs: waitMs })
    assert.equal((await host.call('store', {})).state, 'ok')
    assert.deepEqual(await host.problemCodes(), [])

    using objects = server.objects('one')
    const [pack] = (await objects.list('packs/', '', never)).items
    await objects.delete(pack?.key ?? '', never)
    await host.call('startScrub', {})
    await eventually('what the bucket lost to be found and healed', waitMs, async () => {
      const { found, healed, open } = await host.call('scrubStatus', {})
      return found > 0 && healed > 0 && open === 0 ? true : undefined
    })
    assert.equal((await host.call('store', {})).blocks, blocks + 1, 'the late file is one more')
  })

  it('scenario T19: refuses the bucket of another node, and a home refuses another place than its own', async (test) => {
    const { nodes, host } = await openPair(test, 'two')
    const told = async (name: string, serve: string[], home?: string): Promise<string> => {
      const error = await nodes
        .create(name, { serve }, home)
        .start()
        .then(() => undefined, String)
      assert.ok(error !== undefined, `${name} started`)
      return error
    }
    assert.match(await told('second', serveAt('two')), /exit code 5.*belongs to the node "host"/s)
    await host.kill()
    assert.match(await told('third', serveAt('two')), /exit code 5.*--take-over/s)
    assert.match(await told('in its home', [], host.home), /blocks are in object storage/)
    assert.match(await told('elsewhere', serveAt('elsewhere'), host.home), /there is no store, though this home had one/)
    const heir = await nodes.start('heir', { serve: [...serveAt('two'), '--take-over'] })
    assert.ok((await heir.call('store', {})).segments > 0)
    assert.match(await told('before', serveAt('two'), host.home), /belongs to the node "heir"/)
  })
})
