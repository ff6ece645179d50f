/**
 * Kinds of content by the endings of names. There are few, because everybody who uploads carries them.
 *
 * @module
 */

/** The kind of content of a file by its name; undefined for an ending that is not known. */
export function contentTypeOf(name: string): string | undefined {
  const [, text, image, application] = /\.(?:(csv|html)|(jpe?g|png)|(json|pdf|zip))$/.exec(name.toLowerCase()) ?? [];
  if (text) return `text/${text}`;
  if (image) return `image/${image.replace("jpg", "jpeg")}`;
  return application && `application/${application}`;
}
