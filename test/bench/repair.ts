// `npm run bench -- repair`: an owner and three hosts on loopback, three copies of everything. What the owner's machine sends until all copies
// are there, next to the content; then one host is lost: time and bytes until there are three copies again, next to the least, which is what it held.

import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TestDaemon } from '../support/daemon.ts'
import type { Figures } from './figures.ts'
import { nowMs, until, type Patience } from './waiting.ts'

const filesAlways = 64
const filesQuick = 8
const fileBytes = 1024 * 1024
const copies = 3
const pollMs = 100

export async function measureRepair(
  figures: Figures,
  directory: string,
  isQuick: boolean,
  patience: Patience,
  say: (text: string) => void,
): Promise<void> {
  const root = join(directory, 'tree')
  mkdirSync(root, { recursive: true })
  const owner = new TestDaemon('owner', join(directory, 'owner'), {})
  const hosts = ['attic', 'cellar', 'office'].map(
    (zone) => new TestDaemon(zone, join(directory, zone), { serve: ['--zone', zone, '--capacity', '1GB', '--class', 'always-on'] }),
  )
  try {
    await owner.start()
    await owner.call('addFolder', { path: root, name: 'bench' })
    await owner.call('setFolder', { folder: 'bench', settings: { copies: String(copies) } })
    for (const host of hosts) {
      await host.start()
      await host.call('join', { link: await owner.share('bench', 'host') })
    }
    for (const host of hosts) {
      await until(`${host.name} to see all members`, pollMs, patience, async () => {
        const { peers } = await host.status()
        return peers.filter(({ connected }) => connected).length === hosts.length ? true : undefined
      })
    }
    await measureFirstCopies({ owner, hosts, root, figures, patience, say }, isQuick ? filesQuick : filesAlways)
    await measureLoss({ owner, hosts, root, figures, patience, say })
  } finally {
    for (const daemon of [owner, ...hosts]) await daemon.kill()
  }
}

interface Bench {
  readonly owner: TestDaemon
  readonly hosts: readonly TestDaemon[]
  readonly root: string
  readonly figures: Figures
  readonly patience: Patience
  readonly say: (text: string) => void
}

async function measureFirstCopies({ owner, root, figures, patience, say }: Bench, files: number): Promise<void> {
  say(`${files} files of 1 MiB to ${copies} copies`)
  const before = (await owner.status()).traffic.sentBytes
  const startedMs = nowMs()
  for (let file = 0; file < files; file++) writeFileSync(join(root, `${file}.bin`), randomBytes(fileBytes))
  await owner.call('waitSynced', { folder: 'bench', timeoutMs: patience.timeoutMs })
  await owner.call('waitCopies', { folder: 'bench', copies, timeoutMs: patience.timeoutMs })
  figures.record('holdfast', 'repair/first-copies', (nowMs() - startedMs) / 1000)
  figures.record('holdfast', 'repair/upstream', ((await owner.status()).traffic.sentBytes - before) / (files * fileBytes))
}

async function measureLoss({ owner, hosts, figures, patience, say }: Bench): Promise<void> {
  const [lost, ...others] = hosts
  if (lost === undefined) return
  const stored = async (daemon: TestDaemon): Promise<number> => (await daemon.folder('bench')).stored?.bytes ?? 0
  const sum = async (of: (daemon: TestDaemon) => Promise<number>): Promise<number> => {
    let total = 0
    for (const daemon of others) total += await of(daemon)
    return total
  }
  const received = async (daemon: TestDaemon): Promise<number> => (await daemon.status()).traffic.receivedBytes
  const lostBytes = await stored(lost)
  const { peerId } = await lost.status()
  const [storedBefore, receivedBefore] = [await sum(stored), await sum(received)]
  say(`losing a host that holds ${(lostBytes / 1e6).toFixed(0)} MB`)
  await lost.kill()
  const startedMs = nowMs()
  await owner.call('retireMember', { folder: 'bench', peer: peerId })
  await until('the copies to be made again', pollMs, patience, async () =>
    (await sum(stored)) - storedBefore >= lostBytes ? true : undefined,
  )
  await owner.call('waitCopies', { folder: 'bench', copies, timeoutMs: patience.timeoutMs })
  figures.record('holdfast', 'repair/time', (nowMs() - startedMs) / 1000)
  figures.record('holdfast', 'repair/bytes', (await sum(received)) - receivedBefore)
  figures.record('holdfast', 'repair/ratio', ((await sum(received)) - receivedBefore) / lostBytes)
}
