// `holdfast status`: folders, peers and problems at a glance. Exit code 4 when something needs a person.

import type { Command } from 'commander'
import type { FolderStatus, NodeStatus, PeerStatus, Problem } from '../../api/controls.ts'
import { openSession, typedCommand, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { exitDegraded } from '../exit-codes.ts'
import { progressLine } from '../progress.ts'
import { columnsText, countText, printable, sizeText } from '../text.ts'

export function addStatusCommand(program: Command, cli: Cli): void {
  const command = program.command('status').description('show folders, peers and problems (exit code 4 when degraded)')
  withExamples(command, ['status', 'status --json', 'status --home /srv/holdfast']).action(async () => {
    const { client, print, home, speak } = openSession(cli, command)
    const status = await client.call('status', {})
    print(status, statusText(status, typedCommand(cli, home), speak))
    if (status.state === 'degraded') cli.setExitCode(exitDegraded)
  })
}

/** `typed` is how the person calls this program. */
function statusText(status: NodeStatus, typed: string, speak: (text: string) => string): string {
  const { sentBytes, receivedBytes } = status.traffic
  return [
    `${printable(status.name)}  ${status.state}  ${sizeText(sentBytes)} sent, ${sizeText(receivedBytes)} received`,
    '',
    status.folders.length === 0 ? noFolders(typed) : `Folders\n${foldersText(status.folders)}`,
    '',
    status.peers.length === 0 ? noPeers(typed) : `Peers\n${peersText(status.peers)}`,
    ...(status.problems.length === 0 ? [] : ['', `Problems\n${problemsText(status.problems, speak)}`]),
  ].join('\n')
}

export function noFolders(typed: string): string {
  return `No folders yet. Start one with: ${typed} folder add PATH`
}

export function noPeers(typed: string): string {
  return `No peers yet. Invite one with: ${typed} share FOLDER`
}

const lineColumns = 200

export function foldersText(folders: readonly FolderStatus[]): string {
  const rows = folders.map((folder) => [
    printable(folder.name),
    stateText(folder),
    folder.role,
    contentText(folder),
    copiesText(folder.copies),
    folder.needFiles === 0
      ? ''
      : `${countText(folder.needFiles, folder.stored === undefined ? 'path' : 'block')} to get, ${sizeText(folder.needBytes)}${reasonsText(folder)}`,
    folder.id.slice(0, 8),
    folder.stored === undefined ? printable(folder.path) : 'sealed: this node cannot read it',
  ])
  const busy = folders.flatMap(({ name, progress, stored }) =>
    progress === undefined ? [] : [`  ${progressLine(name, progress, lineColumns, stored === undefined ? 'file' : 'block')}`],
  )
  return [columnsText(rows, '  '), ...busy].join('\n')
}

/** The fewest copies that anything has; how many things have too few, when there are such. */
function copiesText({ target, min, below, single }: FolderStatus['copies']): string {
  const few = below === 0 ? '' : `, ${below} below`
  const risk = single === 0 || target === 1 ? '' : `, ${single} at risk`
  return `${min} of ${countText(target, 'copy', 'copies')}${few}${risk}`
}

function contentText({ files, bytes, stored, elsewhere, toFree }: FolderStatus): string {
  if (stored !== undefined) return `${sizeText(stored.bytes)} stored`
  const away = elsewhere === undefined ? '' : `, ${elsewhere.files.toLocaleString('en-US')} not here`
  const leaving = toFree === undefined ? '' : `, ${toFree.toLocaleString('en-US')} to free when others have proven them`
  return `${countText(files, 'file')}, ${sizeText(bytes)}${away}${leaving}`
}

function stateText({ state, pausedAt = [] }: FolderStatus): string {
  const text = state === 'held' ? 'held: waiting for you' : state
  return pausedAt.length === 0 ? text : `${text}, paused at ${pausedAt.map((name) => printable(name)).join(', ')}`
}

/** Why paths wait, when there is more to say than that it is their turn some time. */
function reasonsText({ reasons }: FolderStatus): string {
  const told = reasons.filter(({ reason }) => reason !== 'QUEUED' && !reason.startsWith('AWAITS_'))
  return told.length === 0 ? '' : ` (${told.map(({ reason, paths }) => `${reason} ${paths}`).join(', ')})`
}

export function peersText(peers: readonly PeerStatus[]): string {
  const rows = peers.map((peer) => [
    printable(peer.name),
    peer.connected ? 'connected' : 'not connected',
    peer.class,
    printable(peer.zone),
    printable(peer.folders.join(', ')),
    peer.id,
  ])
  return columnsText(rows, '  ')
}

export function problemsText(problems: readonly Problem[], speak: (text: string) => string): string {
  return problems
    .map(({ severity, text, next, folder, path }) => {
      // Most texts name their path; then it is not said twice.
      const where = [folder, path !== undefined && text.includes(path) ? undefined : path].filter((part) => part !== undefined).join(': ')
      return `  ${severity}  ${where === '' ? '' : `${printable(where)}: `}${printable(speak(text))}\n         ${printable(speak(next))}`
    })
    .join('\n')
}
