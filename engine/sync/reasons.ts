// Why a path is not in step: one code each, with what it means and the one next step. The codes of needs are what pull.ts postpones
// them with; '' in the index is QUEUED.

export type NeedReason =
  | 'QUEUED'
  | 'NO_SOURCE'
  | 'METERED'
  | 'NO_ROOM'
  | 'BAD_BLOCKS'
  | 'DISK_FULL'
  | 'DENIED'
  | 'NAME_NOT_POSSIBLE'
  | 'NAME_CLASH'
  | 'FILE_BUSY'
  | 'DISK_FAILED'
  | 'STORE_OFFLINE'
  | 'HELD'
  | 'CHANGED_HERE'
  | 'CHANGED_TOO_OFTEN'
  | 'PARENT_CHANGED'
  | 'AWAITS_PARENT'
  | 'AWAITS_CHILDREN'
  | 'NOT_EMPTY'
  | 'FAILED'

export interface ReasonText {
  readonly text: string
  readonly next: string
}

export const needReasons: Readonly<Record<NeedReason, ReasonText>> = {
  QUEUED: { text: 'its turn has not come yet', next: 'Nothing to do.' },
  NO_SOURCE: {
    text: 'no member reachable now has its content',
    next: 'Start the machine that has it, or wait until it has finished its own transfer.',
  },
  METERED: {
    text: 'its network costs by the byte (`serve --metered`), and this node only stores the folder for others',
    next: 'Start it without --metered when the network is another.',
  },
  NO_ROOM: {
    text: 'this node, which only stores the folder for others, has no room for more: its disk is full, or it has what --capacity or grant allow',
    next: 'Make room, or raise them. Other hosts that have room take it meanwhile.',
  },
  BAD_BLOCKS: {
    text: 'a member sent content that is not what its id says',
    next: 'Nothing to do: another member is asked, and it is tried again.',
  },
  DISK_FULL: { text: 'the disk is full', next: 'Free some space; it goes on by itself.' },
  DENIED: { text: 'permission was denied here', next: 'Give the user that runs Holdfast permission to write there.' },
  NAME_NOT_POSSIBLE: { text: 'this system cannot hold such a name', next: 'Rename it on another member.' },
  NAME_CLASH: {
    text: 'this disk takes its name for that of something else that is there',
    next: 'Rename one of the two on another member.',
  },
  FILE_BUSY: { text: 'another program holds it open', next: 'Close it there; it goes on by itself.' },
  DISK_FAILED: { text: 'the disk reported an error', next: 'Check the disk.' },
  STORE_OFFLINE: { text: 'the block store cannot be reached', next: 'See holdfast problems; it goes on by itself.' },
  HELD: { text: 'changes made here are held', next: 'Decide with holdfast accept or holdfast reject.' },
  CHANGED_HERE: { text: 'it was changed here at the same time, and that is looked at first', next: 'Nothing to do.' },
  CHANGED_TOO_OFTEN: { text: 'it is being changed here again and again', next: 'Let it rest for a moment: close what writes to it.' },
  PARENT_CHANGED: { text: 'the directory it belongs into is not as it was', next: 'Nothing to do.' },
  AWAITS_PARENT: { text: 'the directory it belongs into comes first', next: 'Nothing to do.' },
  AWAITS_CHILDREN: { text: 'what is in the directory goes first', next: 'Nothing to do.' },
  NOT_EMPTY: { text: 'the directory is to go and holds something that is not synced', next: 'Move that away or delete it.' },
  FAILED: { text: 'it could not be changed here', next: 'See holdfast problems and the log.' },
}

/** The index keeps texts: one that this program does not know any more counts as queued. */
export function parseNeedReason(text: string): NeedReason {
  return Object.hasOwn(needReasons, text) ? (text as NeedReason) : 'QUEUED'
}

/** Problems with a path that is here and that the others do not get. */
export const keptBackCodes: ReadonlySet<string> = new Set([
  'UNREADABLE',
  'CHANGING',
  'FILE_TOO_LARGE',
  'NAME_INVALID',
  'NAME_TWIN',
  'NAME_RESERVED',
  'PATH_TOO_LONG',
  'SPECIAL_FILE',
])

/** What only a walk finds, or takes back. */
export const walkCodes: ReadonlySet<string> = new Set([...keptBackCodes, 'OTHER_DEVICE'])
