/**
 * The little XML that S3 writes: elements and texts. No document types and no entities but the five, so that nothing in it grows.
 *
 * @module
 */

/** An element. */
export interface XmlElement {
  readonly name: string;
  /** Text of the first child of a name; undefined when there is none. */
  text(name: string): string | undefined;
  /** Children of a name. */
  all(name: string): readonly XmlElement[];
}

interface Node {
  readonly name: string;
  readonly children: Node[];
  content: string;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function decode(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(lt|gt|amp|quot|apos));/gi, (whole, hex, number, name) => {
    if (name !== undefined) return ENTITIES[`${name}`.toLowerCase()] ?? whole;
    const code = hex === undefined ? Number(number) : parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

function elementOf(node: Node): XmlElement {
  return {
    name: node.name,
    text: (name) => node.children.find((child) => child.name === name)?.content,
    all: (name) => node.children.filter((child) => child.name === name).map(elementOf),
  };
}

/** Reads a document; undefined for what is none. */
export function readXml(text: string): XmlElement | undefined {
  const top: Node = { name: "", children: [], content: "" };
  const open = [top];
  for (const [, , closes, name, empties, data] of text.matchAll(TOKEN)) {
    const node = open.at(-1) ?? top;
    if (data !== undefined) node.content += decode(data);
    else if (name === undefined) continue;
    else if (closes === "/") {
      if (node.name !== name || open.length === 1) return undefined;
      open.pop();
    } else {
      const child: Node = { name, children: [], content: "" };
      node.children.push(child);
      if (empties !== "/") open.push(child);
    }
  }
  const [root] = top.children;
  return root === undefined || open.length > 1 ? undefined : elementOf(root);
}

/** A declaration or comment, a tag, or a text. */
const TOKEN = /(<\?[^>]*>|<!--[^]*?-->)|<(\/?)(?:[\w.-]+:)?([\w.-]+)[^<>]*?(\/?)>|([^<]+)/g;
