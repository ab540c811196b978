// The steps of a script that a person does with files. Each says whether it was possible: in a shortened script much is not.

import type { Person } from './person.ts'
import { bytesOf, type Content, type Step } from './script.ts'
import { ignoreFileName } from '../../engine/disk/limits.ts'

/** Enough for a directory or a name. */
const namesBytes = 4096

/** Undefined when the step is not for a person. */
export function doAsPerson(person: Person, step: Step): boolean | undefined {
  switch (step.do) {
    case 'write':
    case 'replace':
      return fits(person, step.content) && isFreeForFile(person, step.path) && done(() => person[step.do](step.path, bytesOf(step.content)))
    case 'append':
      return fits(person, step.content) && isFile(person, step.path) && done(() => person.append(step.path, bytesOf(step.content)))
    case 'edit':
      if (!fits(person, step.content) || !isFile(person, step.path) || person.sizeOf(step.path) <= step.offset) return false
      return done(() => person.edit(step.path, step.offset, bytesOf(step.content)))
    case 'truncate':
      if (!isFile(person, step.path) || person.sizeOf(step.path) < step.sizeBytes) return false
      return done(() => person.truncate(step.path, step.sizeBytes))
    case 'touch':
      return isFile(person, step.path) && done(() => person.touch(step.path, step.mtimeUs))
    case 'chmod':
      return isFile(person, step.path) && done(() => person.chmod(step.path, step.mode))
    case 'remove':
      return person.kindAt(step.path) !== undefined && done(() => person.remove(step.path))
    case 'mkdir':
      return isFree(person, step.path) && done(() => person.mkdir(step.path))
    case 'symlink':
      return isFree(person, step.path) && done(() => person.symlink(step.target, step.path))
    case 'rename':
      return rename(person, step.path, step.to)
    case 'rot':
      return isFile(person, step.path) && person.sizeOf(step.path) > step.offset && done(() => person.rot(step.path, step.offset))
    default:
      return undefined
  }
}

function rename(person: Person, from: string, to: string): boolean {
  const kind = person.kindAt(from)
  if (kind === undefined || from === to || from === ignoreFileName) return false
  // The same file by another spelling of its name, where the drive folds names.
  const isSpelling = person.isSameFile(from, to)
  if (kind === 'directory') {
    if (to.startsWith(`${from}/`) || (!isSpelling && !isFree(person, to))) return false
  } else if (!isSpelling && !isFreeForFile(person, to)) return false
  person.rename(from, to)
  return true
}

function isFile(person: Person, path: string): boolean {
  return person.kindAt(path) === 'file'
}

function isFree(person: Person, path: string): boolean {
  return hasRoom(person, 0) && person.kindAt(path) === undefined && person.makeWay(path)
}

function isFreeForFile(person: Person, path: string): boolean {
  const kind = person.kindAt(path)
  return kind === 'file' || (kind === undefined && hasRoom(person, 0) && person.makeWay(path))
}

/** A person's editor writes whole files or says that it cannot. */
function fits(person: Person, content: Content): boolean {
  return hasRoom(person, 'text' in content ? content.text.length : content.sizeBytes)
}

function hasRoom({ node }: Person, sizeBytes: number): boolean {
  // Some directories on the way, and a temporary file beside the old one.
  return node.disk.freeBytes >= sizeBytes + namesBytes && node.disk.freeInodes >= 8
}

function done(work: () => void): true {
  work()
  return true
}
