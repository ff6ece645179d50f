/**
 * Forms: fields with their labels, hints and what is wrong with them.
 *
 * @module
 */
import { countText } from "../base/count_text.ts";
import { type Field, inputName } from "./fields.ts";
import { type Html, markup, type Part } from "./html.ts";
import type { FormAnswer } from "./values.ts";

/** Paths to offer for a resource, by its type. */
export type Suggest = (resourceType: string) => readonly string[];

/** How a value is written in a field. */
function textOf(field: Field, value: unknown): string {
  if (value === undefined || value === null) return "";
  if (field.kind === "json") {
    return typeof value === "string" && value === "" ? "" : JSON.stringify(value, undefined, 2);
  }
  if (field.kind === "texts" && Array.isArray(value)) {
    return value.map((item) => typeof item === "string" ? item : JSON.stringify(item)).join("\n");
  }
  if (typeof value !== "string") return JSON.stringify(value);
  if (field.kind === "datetime") return value.slice(0, 16);
  return value;
}

function optionText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** A part of an attribute list, when there is a value. */
function attribute(name: string, value: string | number | undefined): Part {
  // The names are written in this file.
  return value === undefined ? undefined : markup` ${name}="${value}"`;
}

interface Shown {
  readonly id: string;
  readonly field: Field;
  readonly sent: readonly string[] | undefined;
  readonly error: string | undefined;
  /** `aria-describedby` and `aria-invalid`. */
  readonly about: Part;
}

function choicesHtml({ id, field, sent, about }: Shown): Html {
  const initial = Array.isArray(field.initial) ? field.initial : [];
  return markup`<fieldset class="choices"${about}><legend>${field.label}${requiredHtml(field)}</legend>${
    field.options.map((option, at) => {
      const checked = sent === undefined ? initial.some((one) => sameJson(one, option)) : sent.includes(String(at));
      return markup`<div class="check"><input type="checkbox" id="${id}-${at}" name="${
        inputName(field)
      }" value="${at}"${checked && markup` checked`}><label for="${id}-${at}">${optionText(option)}</label></div>`;
    })
  }</fieldset>`;
}

function selectHtml({ id, field, sent, about }: Shown): Html {
  const chosen = sent === undefined
    ? field.options.findIndex((option) => sameJson(option, field.initial))
    : Number(sent[0] || -1);
  const optional = !field.required || chosen < 0;
  return markup`<select id="${id}" name="${inputName(field)}"${field.required && markup` required`}${about}>
${optional && markup`<option value="">${field.required ? "Choose one" : "None"}</option>`}
${
    field.options.map((option, at) =>
      markup`<option value="${at}"${at === chosen && markup` selected`}>${optionText(option)}</option>`
    )
  }</select>`;
}

const INPUTS: Readonly<Record<string, string>> = {
  text: "text",
  email: "email",
  url: "url",
  password: "password",
  number: "number",
  integer: "number",
  date: "date",
  time: "time",
  datetime: "datetime-local",
  resource: "text",
};

function inputHtml({ id, field, sent, about }: Shown, suggest: Suggest): Html {
  // What is not to be seen is typed again.
  const text = field.kind === "password" ? "" : sent?.[0] ?? textOf(field, field.initial);
  const needed = field.required && markup` required`;
  if (field.kind === "textarea" || field.kind === "texts" || field.kind === "json") {
    const lines = Math.min(Math.max(text.split("\n").length, field.kind === "textarea" ? 4 : 3), 16);
    return markup`<textarea id="${id}" name="${inputName(field)}" rows="${lines}"${needed}${about}${
      attribute("minlength", field.kind === "textarea" ? field.minLength : undefined)
    }${attribute("maxlength", field.kind === "textarea" ? field.maxLength : undefined)}${
      field.kind !== "textarea" && markup` class="mono" spellcheck="false"`
    }>
${text}</textarea>`;
  }
  const paths = field.resourceType === undefined ? [] : suggest(field.resourceType);
  const numeric = field.kind === "number" || field.kind === "integer";
  return markup`<input id="${id}" name="${inputName(field)}" type="${
    INPUTS[field.kind] ?? "text"
  }" value="${text}"${needed}${about}${
    numeric && [
      markup` step="${field.kind === "integer" ? "1" : "any"}" inputmode="decimal"`,
      attribute("min", field.minimum),
      attribute("max", field.maximum),
    ]
  }${
    !numeric && [
      attribute("minlength", field.minLength),
      attribute("maxlength", field.maxLength),
      attribute("pattern", field.pattern),
    ]
  }${field.kind === "password" && markup` autocomplete="off"`}${paths.length > 0 && markup` list="${id}-list"`}>${
    paths.length > 0 &&
    markup`<datalist id="${id}-list">${paths.map((path) => markup`<option value="$res:${path}"></option>`)}</datalist>`
  }`;
}

function requiredHtml(field: Field): Part {
  return field.required && markup` <span class="needed">needed</span>`;
}

function hintOf(field: Field): string {
  const more: Readonly<Record<string, string>> = {
    texts: "One on each line.",
    json: "JSON.",
    datetime: "In UTC.",
    resource: `A resource${
      field.resourceType ? ` of the type ${field.resourceType}` : ""
    }: $res:f/folder/name, or JSON.`,
  };
  return [field.hint, more[field.kind] ?? ""].filter((text) => text !== "").join(" ");
}

function fieldHtml(field: Field, at: number, answer: FormAnswer | undefined, suggest: Suggest): Html {
  const id = `field-${at}`, hint = hintOf(field);
  const error = answer?.errors.get(field.name);
  const described = [error === undefined ? "" : `${id}-error`, hint === "" ? "" : `${id}-hint`].filter((one) =>
    one !== ""
  );
  const about = [
    described.length > 0 && markup` aria-describedby="${described.join(" ")}"`,
    error !== undefined && markup` aria-invalid="true"`,
  ];
  const shown: Shown = { id, field, sent: answer?.texts.get(field.name), error, about };
  const below = markup`${error !== undefined && markup`<p class="field-error" id="${id}-error">${error}</p>`}${
    hint !== "" && markup`<p class="hint" id="${id}-hint">${hint}</p>`
  }`;
  if (field.kind === "choices") return markup`<div class="field" id="${id}">${choicesHtml(shown)}${below}</div>`;
  if (field.kind === "boolean") {
    const on = shown.sent === undefined ? field.initial === true : shown.sent.length > 0;
    return markup`<div class="field"><div class="check"><input type="checkbox" id="${id}" name="${
      inputName(field)
    }" value="true"${on && markup` checked`}${about}><label for="${id}">${field.label}</label></div>${below}</div>`;
  }
  return markup`<div class="field"><label for="${id}">${field.label}${requiredHtml(field)}</label>
${field.kind === "select" ? selectHtml(shown) : inputHtml(shown, suggest)}${below}</div>`;
}

/** Fields; `answer` is what was sent before, with what is wrong. */
export function fieldsHtml(fields: readonly Field[], answer?: FormAnswer, suggest: Suggest = () => []): Html {
  const wrong = answer === undefined ? [] : fields.flatMap((field, at) => {
    const error = answer.errors.get(field.name);
    return error === undefined ? [] : [{ label: field.label, id: `field-${at}`, error }];
  });
  return markup`${
    wrong.length > 0 &&
    markup`<div class="problem" role="alert" tabindex="-1" id="form-problem"><p>${
      countText(wrong.length, "field is", "fields are")
    } not right yet:</p>
<ul>${wrong.map(({ label, id, error }) => markup`<li><a href="#${id}">${label}</a>: ${error}</li>`)}</ul></div>`
  }${fields.map((field, at) => fieldHtml(field, at, answer, suggest))}`;
}
