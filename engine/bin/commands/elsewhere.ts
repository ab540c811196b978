// `holdfast keep`, `free`, `fetch` and `ls`: which files of a folder are on this disk, and where the others are.

import { Argument, InvalidArgumentError, type Command } from 'commander'
import type { MemberStatus } from '../../api/controls.ts'
import type { FetchedFiles, FileList, FreedFiles, Keep, KeptFiles, ListedFile } from '../../api/elsewhere.ts'
import { parseDurationMs } from '../../config.ts'
import { targetCopiesMax } from '../../model/limits.ts'
import { openSession, withExamples } from '../cli.ts'
import type { Cli, Session } from '../cli.ts'
import { exitRefused } from '../exit-codes.ts'
import { parseLimit } from '../limit.ts'
import { folderArgument } from '../paths.ts'
import { callWatched } from '../progress.ts'
import { columnsText, countText, printable, sizeText } from '../text.ts'

const folderHelp = 'a name, a path or the start of an id'
const pathsHelp = 'files or directories in the folder'

export function addElsewhereCommands(program: Command, cli: Cli): void {
  addKeepCommand(program, cli)
  addFreeCommand(program, cli)
  addFetchCommand(program, cli)
  addListCommand(program, cli)
}

function addKeepCommand(program: Command, cli: Cli): void {
  const command = program
    .command('keep')
    .description(
      'say which files of a folder this node keeps: what fits is fetched, the rest leaves this disk once others have proven to hold it',
    )
    .argument('<folder>', folderHelp)
    .addArgument(
      new Argument('[what]', 'all of them, none, or those that patterns select; left out, it says how it is').choices([
        'all',
        'none',
        'selected',
      ]),
    )
    .argument('[patterns...]', 'as in .holdfastignore: "*.jpg", "summer/", or "summer/*" "!summer/raw/"')
  withExamples(command, ['keep Photos', 'keep Photos selected "summer/" "*.txt"', 'keep Photos none', 'keep Photos all']).action(
    async (typed: string, keep: Keep | undefined, patterns: readonly string[]) => {
      const session = openSession(cli, command)
      const folder = folderArgument(typed, cli)
      if (keep === undefined) {
        const kept = await session.client.call('keepFolder', { folder })
        return session.print({ keep: kept.keep, patterns: kept.patterns }, keepText(kept))
      }
      const kept = await callWatched(cli, session, 'keepFolder', { folder, keep, ...(patterns.length === 0 ? {} : { patterns }) })
      session.print(kept, [keepText(kept), ...fetchedLines(kept), ...freedLines(kept, session), ...toFreeLines(kept)].join('\n'))
      if (kept.refusedCount > 0) cli.setExitCode(exitRefused)
    },
  )
}

function addFreeCommand(program: Command, cli: Cli): void {
  const command = program
    .command('free')
    .description('remove files from this disk that enough other members have proven to hold just now; they stay in the folder')
    .argument('<folder>', folderHelp)
    .argument('<paths...>', pathsHelp)
    .option('--min-copies <count>', 'how many other members have to prove it (the folder’s copies otherwise, at least 2)', parseCopies)
  withExamples(command, ['free Photos summer/2019', 'free Photos film.mov --min-copies 1']).action(
    async (typed: string, paths: readonly string[], { minCopies }: { minCopies?: number }) => {
      const session = openSession(cli, command)
      const wanted = { folder: folderArgument(typed, cli), paths, ...(minCopies === undefined ? {} : { minCopies }) }
      const freed = await callWatched(cli, session, 'freeFiles', wanted)
      const lines = freedLines(freed, session)
      session.print(freed, lines.length === 0 ? 'There was nothing to free.' : lines.join('\n'))
      if (freed.refusedCount > 0) cli.setExitCode(exitRefused)
    },
  )
}

function addFetchCommand(program: Command, cli: Cli): void {
  const command = program
    .command('fetch')
    .description('bring files to this disk again that were freed or are not kept here')
    .argument('<folder>', folderHelp)
    .argument('<paths...>', pathsHelp)
    .option('--wait', 'return when they are here')
    .option('--timeout <duration>', 'with --wait, how long at most, for example 90s or 10m', '10m')
  withExamples(command, ['fetch Photos summer/2019', 'fetch Photos film.mov --wait --timeout 1h']).action(
    async (typed: string, paths: readonly string[], { wait = false, timeout }: { wait?: boolean; timeout: string }) => {
      const session = openSession(cli, command)
      const waiting = wait ? { wait, timeoutMs: parseDurationMs('--timeout', timeout) } : {}
      const fetched = await callWatched(cli, session, 'fetchFiles', { folder: folderArgument(typed, cli), paths, ...waiting })
      const lines = fetchedLines(fetched)
      session.print(fetched, wait ? 'All of it is here.' : lines.length === 0 ? 'All of it is here, or on its way.' : lines.join('\n'))
    },
  )
}

interface ListOptions {
  readonly long?: boolean
  readonly limit?: number
}

function addListCommand(program: Command, cli: Cli): void {
  const command = program
    .command('ls')
    .description('list every file of a folder, also those that are not here, with size and whereabouts')
    .argument('<folder>', folderHelp)
    .argument('[path]', 'a file or directory in the folder')
    .option('--long', 'who has each file, and how many copies are verified')
    .option('--limit <count>', 'how many files at most (1000 otherwise)', parseLimit)
  withExamples(command, ['ls Photos', 'ls Photos summer --long', 'ls Photos --json']).action(
    async (typed: string, path: string | undefined, { long = false, limit }: ListOptions) => {
      const { client, print, isJson } = openSession(cli, command)
      const folder = folderArgument(typed, cli)
      const wanted = { folder, ...(path === undefined ? {} : { path }), ...(limit === undefined ? {} : { limit }) }
      const list = await client.call('files', wanted)
      const { members } = isJson ? { members: [] } : await client.call('members', { folder })
      print({ folder: typed, ...list }, listText(list, members, long))
    },
  )
}

const keptTexts: Readonly<Record<Keep, string>> = {
  all: 'All files are kept here.',
  share: 'A share is kept here.',
  selected: 'Selected files are kept here:',
  none: 'No files are kept here.',
}

function keepText({ keep, patterns }: KeptFiles): string {
  return [keptTexts[keep], ...patterns.map((pattern) => printable(pattern))].join(' ')
}

function fetchedLines({ fetching, fetchingBytes }: FetchedFiles): readonly string[] {
  return fetching === 0 ? [] : [`On the way: ${countText(fetching, 'file')}, ${sizeText(fetchingBytes)}.`]
}

function toFreeLines({ toFree }: KeptFiles): readonly string[] {
  if (toFree === 0) return []
  return [`${countText(toFree, 'of them goes', 'of them go')} by itself as soon as others have proven enough copies, while this node runs.`]
}

function freedLines({ freed, freedBytes, refused, refusedCount }: FreedFiles, { speak }: Session): readonly string[] {
  const done = freed === 0 ? [] : [`Freed: ${countText(freed, 'file')}, ${sizeText(freedBytes)}.`]
  if (refusedCount === 0) return done
  const rows = refused.map(({ path, text }) => [printable(path), printable(speak(text))])
  const more = refusedCount > refused.length ? [`  … and ${countText(refusedCount - refused.length, 'more file')}`] : []
  return [...done, `Still here: ${countText(refusedCount, 'file')}.`, columnsText(rows, '  '), ...more]
}

const stateTexts: Readonly<Record<ListedFile['state'], string>> = { here: 'here', elsewhere: 'not here', coming: 'to come' }

function listText({ files, total, elsewhere }: FileList, members: readonly MemberStatus[], isLong: boolean): string {
  if (total === 0) return 'There are no files.'
  const known = new Map(members.map((member) => [member.id, member]))
  const rows = files.map((file) => [sizeText(file.bytes), stateTexts[file.state], whereText(file, known, isLong), printable(file.path)])
  const more = total > files.length ? [`… and ${countText(total - files.length, 'more file')}`] : []
  const away =
    elsewhere.files === 0 ? [] : [`Not here, of the whole folder: ${countText(elsewhere.files, 'file')}, ${sizeText(elsewhere.bytes)}.`]
  return [columnsText(rows), ...more, ...away].join('\n')
}

/** Zones; with `isLong` the members' names. */
function whereText({ copies, verified, holders }: ListedFile, members: ReadonlyMap<string, MemberStatus>, isLong: boolean): string {
  const have = countText(copies, 'copy', 'copies')
  const names = holders.map((holder) => {
    const member = members.get(holder)
    return (isLong ? member?.name : member?.zone) ?? (isLong ? holder : '')
  })
  const places = printable([...new Set(names)].filter((name) => name !== '').join(', '))
  const where = places === '' ? have : `${have}: ${places}`
  return isLong ? `${where} (${verified} verified)` : where
}

function parseCopies(text: string): number {
  if (/^[1-9]\d?$/.test(text) && Number(text) <= targetCopiesMax) return Number(text)
  throw new InvalidArgumentError(`give a whole number from 1 to ${targetCopiesMax}.`)
}
