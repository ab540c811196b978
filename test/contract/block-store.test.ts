// The block stores against their contract: in memory, as segments on a crashing file system with small limits, and on the real disk; as packs
// in a real S3 server.

import { after, before } from 'node:test'

import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { openSegmentStore } from '../../engine/blocks/segment-store.ts'
import { silentLog } from '../../engine/base/log.ts'
import { nodeFiles } from '../../engine/platform/node-files.ts'
import { never, openSmallStore, stillClock, testRandom } from '../support/blocks.ts'
import { CrashFiles } from '../support/crash-files.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { openTestPacks } from '../support/packs.ts'
import { S3Server } from '../support/s3-server.ts'
import { blockStoreSuite } from './block-store.ts'

blockStoreSuite('memory', async () => new MemoryBlockStore())

blockStoreSuite('segments, small', async () => await openSmallStore(new CrashFiles()))

blockStoreSuite('segments with their index on the disk', async () => await openSmallStore(new CrashFiles(), { indexRowsMax: 4 }))

const directories = new DisposableStack()
after(() => directories.dispose())

blockStoreSuite('segments on the real disk', async () => {
  const { path } = directories.use(temporaryDirectory())
  const options = { files: nodeFiles(), directory: `${path}/blocks`, clock: stillClock, random: testRandom, log: silentLog }
  return await openSegmentStore({ ...options, create: true, limits: { reserveBytes: 4096 } }, never)
})

let server: S3Server
before(async () => {
  server = await S3Server.open()
})
after(async () => {
  await server[Symbol.asyncDispose]()
})
let prefixes = 0

blockStoreSuite('packs in S3', async () => await openTestPacks(server.objects(`suite/${++prefixes}`)))

blockStoreSuite('packs in S3, small, with their index on the disk', async () => {
  const limits = { groupBlocksMax: 4, groupBytesMax: 2000, indexRowsMax: 4, smallPacksMin: 2, packsPerSave: 2 }
  return await openTestPacks(server.objects(`suite/${++prefixes}`), { limits })
})
