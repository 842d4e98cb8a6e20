import { html } from "./html.js";

/** Paths of 16 by 16 line icons. */
const paths = {
  check: "M3 8.5l3.200 3.200L13 5",
  close: "M4 4l8 8M12 4l-8 8",
  chevron: "M6 3.500L10.500 8 6 12.500",
  down: "M3.500 6L8 10.500 12.500 6",
  edit: "M10.500 3l2.500 2.500L6 12.500l-3 .5.5-3z",
  plus: "M8 3v10M3 8h10",
  search: "M7 11.500a4.500 4.500 0 1 0 0-9 4.500 4.500 0 0 0 0 9zM10.500 10.500L14 14",
  sun: "M8 10.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13.500 9.500A6 6 0 1 1 6.500 2.500a4.800 4.800 0 0 0 7 7z",
  screen: "M2 3h12v8H2zM6 14h4M8 11v3",
  trash: "M3 4.500h10M6.500 4V2.500h3V4M4.500 4.500l.5 9h6l.5-9",
  warning: "M8 2L14.500 13.500h-13zM8 6.500v3M8 11.500v.2",
  switch: "M3 5.500h9L9.500 3M13 10.500H4L6.500 13",
  out: "M6 3H3v10h3M7 8h7M11 5l3 3-3 3",
  back: "M10 3.500L5.500 8 10 12.500",
  up: "M8 13V3.500M4 7l4-4 4 4",
  remove: "M4 8h8",
};

/** An icon, hidden from screen readers.
 * @param {{name: keyof typeof paths}} props */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${paths[name]} /></svg>`;
}

/** The logo. */
export function Mark() {
  return html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="7" />
    <path d="M6 12c3.300-3.500 6.700-3.500 10 0s6.700 3.500 10 0M6 20c3.300-3.500 6.700-3.500 10 0s6.700 3.500 10 0" />
  </svg>`;
}
