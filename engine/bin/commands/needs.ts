// `holdfast needs`: what is not in step in a folder, and why.

import type { Command } from 'commander'
import type { FolderNeeds, FolderState } from '../../api/controls.ts'
import { openSession, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { parseLimit } from '../limit.ts'
import { folderArgument } from '../paths.ts'
import { columnsText, countText, printable, sizeText } from '../text.ts'

const limitDefault = 100

export function addNeedsCommand(program: Command, cli: Cli): void {
  const command = program
    .command('needs')
    .description('list the paths of a folder that are not in step, each with the reason and the next step')
    .argument('<folder>', 'a name, a path or the start of an id')
    .option('--limit <count>', 'how many at most', parseLimit, limitDefault)
  withExamples(command, ['needs Photos', 'needs Photos --limit 1000 --json']).action(
    async (typed: string, { limit }: { limit: number }) => {
      const { client, print, speak } = openSession(cli, command)
      const answer = await client.call('needs', { folder: folderArgument(typed, cli), limit })
      print(answer, [needsText(answer, speak), ...pausedText(answer)].join('\n'))
    },
  )
}

/** A folder that does nothing has nothing listed, and is not in step for that. */
const restTexts: Partial<Record<FolderState, string>> = {
  paused: "The folder is paused: nothing goes out or comes in until 'folder resume'.",
  stopped: "The folder is stopped: 'problems' says why and what to do.",
  held: "Changes made here are held: the others have nothing of them until 'accept' or 'reject'. Nothing else is out of step.",
}

/** A member that has paused the folder gives nothing and takes nothing, whatever else is in step. */
function pausedText({ pausedAt = [] }: FolderNeeds): readonly string[] {
  if (pausedAt.length === 0) return []
  const names = pausedAt.map((name) => printable(name)).join(', ')
  return [`Paused at ${names}: nothing goes there or comes from there until the folder is resumed there.`]
}

function needsText({ state, items, total, pausedAt }: FolderNeeds, speak: (text: string) => string): string {
  if (total === 0) return restTexts[state] ?? (pausedAt === undefined ? 'Everything is in step.' : 'Everything else is in step.')
  const rows = items.map(({ direction, reason, path, bytes, next }) => [
    direction === 'in' ? 'to come' : 'kept back',
    reason,
    printable(path),
    bytes === 0 ? '' : sizeText(bytes),
    printable(speak(next)),
  ])
  const more = total > items.length ? [`  … and ${countText(total - items.length, 'more path')}`] : []
  return [columnsText(rows, '  '), ...more].join('\n')
}
