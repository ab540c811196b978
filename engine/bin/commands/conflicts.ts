// `holdfast conflicts` and `holdfast resolve`: paths of which two versions are kept, and what to do about them.

import { Option } from 'commander'
import type { Command } from 'commander'
import type { Conflict, ConflictDecision, ConflictKeep, ConflictVersion } from '../../api/controls.ts'
import { openSession, quoted, typedCommand, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { absolutePath, folderArgument } from '../paths.ts'
import { columnsText, printable, sizeText } from '../text.ts'

const keeps: readonly ConflictKeep[] = ['mine', 'theirs', 'both', 'winner', 'copy']

export function addConflictCommands(program: Command, cli: Cli): void {
  addConflicts(program, cli)
  addResolve(program, cli)
}

function addConflicts(program: Command, cli: Cli): void {
  const command = program
    .command('conflicts')
    .description('list paths that two people changed at once, with both versions')
    .argument('[folder]', 'only of this folder: a name, a path or the start of an id')
  withExamples(command, ['conflicts', 'conflicts Photos', 'conflicts --json']).action(async (typed: string | undefined) => {
    const { client, print, home } = openSession(cli, command)
    const { conflicts } = await client.call('conflicts', typed === undefined ? {} : { folder: folderArgument(typed, cli) })
    print({ conflicts }, conflicts.length === 0 ? 'No conflicts.' : conflictsText(conflicts, typedCommand(cli, home)))
  })
}

function addResolve(program: Command, cli: Cli): void {
  const command = program
    .command('resolve')
    .description('decide a conflict; what is not kept goes to the history of every member')
    .argument('<folder>', 'a name, a path or the start of an id')
    .argument('<path>', 'what the conflict is about, or one of its copies')
    .addOption(
      new Option('--keep <version>', 'mine: what this node wrote; theirs: what another wrote; both: two files; winner, copy: as listed')
        .choices(keeps)
        .makeOptionMandatory(),
    )
  withExamples(command, ['resolve Notes todo.txt --keep mine', 'resolve Notes todo.txt --keep both']).action(
    async (typedFolder: string, typedPath: string, options: { readonly keep: ConflictKeep }) => {
      const { client, print, home } = openSession(cli, command)
      const isOnDisk = /^(?:\/|\.{1,2}\/|~\/)/.test(typedPath)
      const path = isOnDisk ? absolutePath(typedPath, cli) : typedPath
      const done = await client.call('resolveConflict', { folder: folderArgument(typedFolder, cli), path, keep: options.keep })
      print(done, decisionText(done, `${typedCommand(cli, home)} history ${quoted(typedFolder)}`))
    },
  )
}

function conflictsText(conflicts: readonly Conflict[], typed: string): string {
  const blocks = conflicts.map(({ folder, path, versions }) => {
    const rows = versions.map((version) => [
      version.role,
      printable(version.path),
      sizeOf(version),
      timeText(version.modifiedMs),
      authorText(version),
    ])
    return `${printable(folder)}: ${printable(path)}\n${columnsText(rows, '  ')}`
  })
  const [first] = conflicts
  const example = first === undefined ? '' : `${typed} resolve ${quoted(first.folder)} ${quoted(printable(first.path))}`
  return `${blocks.join('\n\n')}\n\nDecide with: ${example} --keep mine|theirs|both|winner|copy`
}

/** Where each version is now; `history` is how to see the past of a path. */
function decisionText({ versions }: ConflictDecision, history: string): string {
  const lines = versions.map((version) => {
    const { path, now } = version
    const what = `the version ${authorText(version)}, ${sizeOf(version)}, ${timeText(version.modifiedMs)}`
    if (now === undefined) return `  in the history: ${what}, which was ${printable(path)}: ${history} ${quoted(printable(path))}`
    return `  ${printable(now)}: ${what}${now === path ? '' : `, which was ${printable(path)}`}`
  })
  return ['Decided. Now there is', ...lines].join('\n')
}

function sizeOf({ kind, bytes }: ConflictVersion): string {
  return kind === 'file' ? sizeText(bytes) : kind
}

function authorText({ by, mine }: ConflictVersion): string {
  return `${by === '' ? 'by several, or not known' : `by ${printable(by)}`}${mine ? ' (this node)' : ''}`
}

/** Local time to the second; empty where it is beyond what a calendar has. */
function timeText(timeMs: number): string {
  const date = new Date(timeMs)
  return Number.isNaN(date.getTime()) ? '' : date.toLocaleString('sv-SE')
}
