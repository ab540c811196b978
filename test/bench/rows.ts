// The rows of the table and what is aimed at: the one place where an aim stands.

import { setNames, type SetName, type ToolName } from './options.ts'

export type Unit = 'seconds' | 'cpuSeconds' | 'milliseconds' | 'bytes' | 'count' | 'perSecond' | 'bytesPerSecond' | 'times'

export type Aim =
  /** At most `max` times what `of` took in the same run. */
  | { readonly kind: 'ratio'; readonly of: Exclude<ToolName, 'holdfast'>; readonly max: number; readonly text: string }
  | { readonly kind: 'atMost'; readonly max: number; readonly text: string }
  | { readonly kind: 'atLeast'; readonly min: number; readonly text: string }

export interface Row {
  /** The name under which figures.ts keeps the figure. */
  readonly key: string
  readonly work: string
  readonly unit: Unit
  readonly aims: readonly Aim[]
  /** False for what is only of interest beside the rest: left out of the README's table. */
  readonly isMain: boolean
}

const kibibyte = 1024
const mebibyte = 1024 * kibibyte
// Memory and speed are aimed at in MB as the system tools print them: 10^6.
const megabyte = 1_000_000

function part(share: number): Aim {
  return { kind: 'ratio', of: 'syncthing', max: 1 / share, text: `≤ 1/${share} of Syncthing` }
}

function atMost(max: number, text: string): Aim {
  return { kind: 'atMost', max, text }
}

function atLeast(min: number, text: string): Aim {
  return { kind: 'atLeast', min, text }
}

const withinRsync: Aim = { kind: 'ratio', of: 'rsync', max: 1.2, text: '≤ 1.2 × rsync' }

const aims: Readonly<Record<string, readonly Aim[]>> = {
  'first-sync/big': [part(4)],
  'first-sync/small': [part(8)],
  'first-sync/tiny': [part(8), withinRsync],
  'scan/big': [part(3)],
  'scan/tiny': [part(3)],
  'insert/big': [part(12)],
  'wire/insert/big': [atMost(5 * mebibyte, '≤ 5 MiB')],
  'append/big': [part(8)],
  'rename/big': [part(10)],
  'wire/rename/big': [atMost(50 * kibibyte, '≤ 50 KiB')],
  'latency/median': [atMost(0.1, '≤ 0.1 s')],
  'memory/tiny': [atMost(250 * megabyte, '≤ 250 MB (238 MiB)')],
  'database/tiny': [atMost(kibibyte, '≤ 1 KiB')],
  'response-max/big': [atMost(100, '≤ 100 ms')],
  'response-max/small': [atMost(100, '≤ 100 ms')],
  'response-max/tiny': [atMost(100, '≤ 100 ms')],
  'differences/big': [atMost(0, 'none')],
  'differences/small': [atMost(0, 'none')],
  'differences/tiny': [atMost(0, 'none')],
  'store/put-4k': [atLeast(10_000, '≥ 10,000 /s')],
  'store/put-1m': [atLeast(200 * megabyte, '≥ 200 MB/s')],
  'store/open': [atMost(2000, '≤ 2 s')],
  'store/lookup-p99': [atMost(5, '≤ 5 ms')],
  'store/miss-p99': [atMost(5, '≤ 5 ms')],
  'repair/upstream': [atMost(1.1, '≤ 1.1')],
  'repair/ratio': [atMost(1.1, '≤ 1.1')],
  'store/memory': [atMost(300 * megabyte, '≤ 300 MB')],
}

function row(key: string, work: string, unit: Unit, isMain = false): Row {
  return { key, work, unit, aims: aims[key] ?? [], isMain }
}

function setRows(set: SetName, title: string): readonly Row[] {
  return [
    row(`first-sync/${set}`, `first sync, ${title}`, 'seconds', true),
    row(`cpu/first-sync/${set}`, '– CPU, both nodes', 'cpuSeconds'),
    row(`wire/first-sync/${set}`, '– on the wire', 'bytes'),
    row(`durable/${set}`, '– rsync -a --fsync, for comparison', 'seconds'),
    row(`scan/${set}`, `scan, ${title}`, 'seconds', set !== 'small'),
    row(`cpu/scan/${set}`, '– CPU', 'cpuSeconds'),
    ...(set === 'big' ? changeRows() : []),
    ...(set === 'small' ? latencyRows() : []),
    row(`memory/${set}`, `peak memory, the larger of both nodes, ${title}`, 'bytes', set === 'tiny'),
    row(`memory/${set}/a`, '– the node that had the files', 'bytes'),
    row(`memory/${set}/b`, '– the node that got them', 'bytes'),
    row(`database/${set}`, `database per file, both nodes together, ${title}`, 'bytes', set === 'tiny'),
    row(`response-median/${set}`, `status answered while scanning and syncing, median, ${title}`, 'milliseconds'),
    row(`response-max/${set}`, `status answered while scanning and syncing, slowest, ${title}`, 'milliseconds', set === 'tiny'),
    row(`differences/${set}`, `differences between the trees at the end, ${title}`, 'count'),
  ]
}

function changeRows(): readonly Row[] {
  const changes = [
    ['append', '1 MiB appended to it → visible'],
    ['insert', 'one byte inserted at its head → visible'],
    ['rename', 'it renamed → visible'],
  ] as const
  return changes.flatMap(([change, work]) => [
    row(`${change}/big`, work, 'seconds', true),
    row(`wire/${change}/big`, '– on the wire', 'bytes', change !== 'append'),
    row(`cpu/${change}/big`, '– CPU, both nodes', 'cpuSeconds'),
  ])
}

function latencyRows(): readonly Row[] {
  return [
    row('latency/median', 'small file written → visible on the peer, median', 'seconds', true),
    row('latency/p95', '– 95 of 100', 'seconds'),
    row('latency/max', '– slowest', 'seconds'),
  ]
}

const microRows: readonly Row[] = [
  row('micro/hash', 'hash, blocks of 256 KiB', 'bytesPerSecond'),
  row('micro/chunk', 'find boundaries', 'bytesPerSecond'),
  row('micro/seal', 'seal, blocks of 256 KiB', 'bytesPerSecond'),
  row('micro/open', 'open, blocks of 256 KiB', 'bytesPerSecond'),
  row('micro/encode', 'encode entries', 'perSecond'),
  row('micro/decode', 'decode entries', 'perSecond'),
]

const repairRows: readonly Row[] = [
  row('repair/first-copies', 'new files to three copies, two of them on hosts', 'seconds'),
  row('repair/upstream', '– sent by their machine, times the content', 'times', true),
  row('repair/time', 'a lost host: three copies again after', 'seconds', true),
  row('repair/bytes', '– received by the others', 'bytes'),
  row('repair/ratio', '– times what it held, which is the least', 'times', true),
]

const storeRows: readonly Row[] = [
  row('store/put-4k', 'block store: blocks of 4 KiB, durable', 'perSecond', true),
  row('store/put-1m', 'block store: blocks of 1 MiB, durable', 'bytesPerSecond', true),
  row('store/scrub-1m', 'scrub of a segment of blocks of 1 MiB, cached', 'bytesPerSecond', true),
  row('store/scrub-1m-read', '– reading the file with nothing else', 'bytesPerSecond'),
  row('store/scrub-4k', 'scrub of a segment of blocks of 4 KiB, cached', 'bytesPerSecond'),
  row('store/scrub-4k-read', '– reading the file with nothing else', 'bytesPerSecond'),
  row('store/open', 'block store of ten million blocks opened', 'milliseconds', true),
  row('store/open-cpu', '– CPU', 'milliseconds'),
  row('store/lookup-p50', '– look-up of a block that is there, median', 'milliseconds'),
  row('store/lookup-p99', '– 99 of 100', 'milliseconds', true),
  row('store/miss-p99', '– of one that is not there, 99 of 100', 'milliseconds'),
  row('store/list', '– a page of 1,000 ids', 'milliseconds'),
  row('store/memory', '– memory of the process', 'bytes', true),
  row('store/index-bytes', '– index on the disk, a block', 'bytes'),
  row('store/index-rate', '– rows put into the index, a CPU second', 'perSecond'),
]

/** All rows in the order of the table. `titles` says how large each set was in this run. */
export function tableRows(titles: Readonly<Record<SetName, string>>): readonly Row[] {
  return [...setNames.flatMap((set) => setRows(set, titles[set])), ...microRows, ...storeRows, ...repairRows]
}
