// Object storages against their contract: the S3 client with a real server, and the one in memory.

import { after, before } from 'node:test'

import type { Objects } from '../../engine/base/objects.ts'
import { MemoryObjects } from '../support/memory-objects.ts'
import { S3Server } from '../support/s3-server.ts'
import { objectsSuite } from './objects.ts'

objectsSuite('memory', () => new MemoryObjects(), 10)

let server: S3Server
let prefixes = 0
before(async () => {
  server = await S3Server.open()
})
after(async () => {
  await server[Symbol.asyncDispose]()
})
objectsSuite('S3', (): Objects => server.objects(`deep/er ${++prefixes}`), 1003)
