// `holdfast store`: what the block store holds, and making its index again.

import type { Command } from 'commander'
import type { StoreStatus } from '../../api/store-controls.ts'
import type { CallOutput } from '../../api/calls.ts'
import { openSession, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { columnsText, countText, durationText, printable, sizeText } from '../text.ts'

export function addStoreCommands(program: Command, cli: Cli): void {
  const store = program.command('store').description('the blocks that this node stores beside its folders')
  withExamples(store, ['store status', 'store rebuild'])
  const status = store.command('status').description('how much is stored, for which folder, and how much may be')
  withExamples(status, ['store status', 'store status --json']).action(async () => {
    const { client, print } = openSession(cli, status)
    const answer = await client.call('store', {})
    print(answer, storeText(answer))
  })
  const rebuild = store
    .command('rebuild')
    .description('make the index of the stored blocks again from the blocks, and say how it differed; nothing is stopped meanwhile')
  withExamples(rebuild, ['store rebuild']).action(async () => {
    const { client, print } = openSession(cli, rebuild)
    const answer = await client.call('rebuildStore', {})
    print(answer, rebuildText(answer))
  })
}

export function storeText(status: StoreStatus): string {
  const of = (bytes: number | undefined): string => (bytes === undefined ? '' : `of ${sizeText(bytes)}`)
  const rows = [
    ['all', countText(status.blocks, 'block'), sizeText(status.usedBytes), of(status.capacityBytes)],
    ...status.folders.map(({ folder, blocks, usedBytes, grantBytes }) => [
      `  ${printable(folder)}`,
      countText(blocks, 'block'),
      sizeText(usedBytes),
      of(grantBytes),
    ]),
  ]
  const disk = `${countText(status.segments, 'segment')} on the disk, ${sizeText(status.diskBytes)}`
  const state = { ok: '', readOnly: '; the store takes no writes for now', offline: '; the store cannot be reached for now' }[status.state]
  const damage = status.damaged === 0 ? '' : `\n${countText(status.damaged, 'piece')} cannot be read: see holdfast problems`
  return `${columnsText(rows)}\n${disk}${state}${damage}`
}

export function rebuildText(report: CallOutput<'rebuildStore'>): string {
  const { blocks, segments, missing, surplus, elsewhere, wasReadable, durationMs } = report
  const head = `Made the index again from ${countText(segments, 'segment')}: ${countText(blocks, 'block')}, in ${durationText(durationMs / 1000)}.`
  if (!wasReadable) return `${head}\nThe one before was damaged.`
  if (missing + surplus + elsewhere === 0) return `${head}\nIt is the same as before.`
  return `${head}\nThe one before had missed ${missing}, had ${surplus} too many, and ${elsewhere} at a wrong place.`
}
