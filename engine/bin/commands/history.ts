// `holdfast history`: the past versions of a path, or of everything below it.

import type { Command } from 'commander'
import type { History, PastVersion } from '../../api/controls.ts'
import { openSession, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { parseLimit } from '../limit.ts'
import { folderArgument, pathArgument } from '../paths.ts'
import { columnsText, countText, printable, sizeText } from '../text.ts'
import { localTimeText } from '../time.ts'

const limitDefault = 500

export function addHistoryCommand(program: Command, cli: Cli): void {
  const command = program
    .command('history')
    .description('list past versions of a path, newest first; of all below it when it is a directory or left out')
    .argument('<folder>', 'a name, a path or the start of an id')
    .argument('[path]', 'in the folder')
    .option('--limit <count>', 'how many at most', parseLimit, limitDefault)
  withExamples(command, ['history Notes todo.txt', 'history Notes', 'history Notes drafts --limit 5000 --json']).action(
    async (typed: string, path: string | undefined, { limit }: { readonly limit: number }) => {
      const { client, print } = openSession(cli, command)
      const wanted = path === undefined ? {} : { path: pathArgument(path, cli) }
      const history = await client.call('history', { folder: folderArgument(typed, cli), ...wanted, limit })
      print(history, historyText(history))
    },
  )
}

function historyText({ current, versions, path, total }: History): string {
  const isOne = versions.every((version) => version.path === path)
  const rows = versions.map((version) => [
    version.id,
    ...(isOne ? [] : [printable(version.path)]),
    `${version.deleted ? 'deleted' : 'replaced'} ${localTimeText(version.replacedMs)}`,
    sizeOf(version),
    whoOf(version),
    version.isHere === false ? 'not here, other members may have it' : '',
  ])
  const isFile = current !== undefined && current.kind !== 'directory'
  const now = isFile ? [`  now: ${sizeOf(current)}, since ${localTimeText(current.sinceMs)}`] : []
  const past = rows.length === 0 ? ['  No past versions are known.'] : [columnsText(rows, '  ')]
  const left = total - versions.length
  const more = left <= 0 ? [] : [`  … and ${countText(left, 'older version')}: --limit shows more, a path shows its own`]
  return [...now, ...past, ...more].join('\n')
}

function sizeOf({ kind, bytes }: Pick<PastVersion, 'kind' | 'bytes'>): string {
  return kind === 'file' ? sizeText(bytes) : kind
}

function whoOf({ by, byName }: PastVersion): string {
  const who = byName ?? by
  return who === undefined ? '' : `by ${printable(who)}`
}
