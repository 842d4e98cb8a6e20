// Package template turns an lb.Config into the bytes of haproxy.cfg.
//
// The default template is part of the program; an operator may use another one, in the language of
// text/template. After every rendering the bytes are read back. They must contain exactly the
// sections and the bind, use_backend, default_backend and server lines of the configuration;
// otherwise Render returns an error. So no template and no value can add a section.
//
// The package is pure: no files, no network, no clock, no logging. Equal
// configurations and equal templates give equal bytes.
//
// # For authors of templates
//
// The template is executed with a View. Its fields and the functions below are stable. No value in
// a View contains a line break or another control character, so that no value leaves its line.
// Names, addresses, balance algorithms and modes are safe without quote; rule patterns, the URI of
// a health check and paths need it.
//
//	quote S       S as one word of haproxy.cfg, in single quotes where needed;
//	              a list becomes its words separated by blanks
//	join SEP LIST the strings of LIST with SEP between them
//	chunk LIST    LIST in pieces that fit on one line: HAProxy accepts 64 words
//	ms D          a duration in milliseconds: 2000ms
//	duration D    a duration in the largest unit that divides it: 5m
//
// Every template must write:
//
//   - one frontend section per .Frontends and one backend section per
//     .Backends, each with the .Key as its name;
//   - in a frontend a bind line per .Binds, a use_backend line per .Rules and
//     default_backend when .Backend is not empty, in the order of the View;
//   - in a backend a server line per .Servers with its .Name and .Address;
//   - in both the .Natives, each on a line of its own;
//   - a section per .NamedDefaults and .Sections, with "from" if .Defaults is
//     not empty, and the .Natives; the lines of .Global and .Defaults in the
//     template's own sections.
//
// It may also write any other fixed line and section. Directives of HAProxy's preprocessor (such as
// .if) must be outside of the sections of .Frontends and .Backends.
//
// The number of server lines of a dynamic backend can change while HAProxy runs if all lines of
// slots are alike but for their members, and nothing else in the template depends on the number.
//
// The Fingerprint identifies the configuration of a running HAProxy. If the template writes it into
// the global section as
//
//	description "thalassa {{.Fingerprint}}"
//
// HAProxy's stats socket returns it, so that a restarted agent knows whether HAProxy runs the right
// configuration.
package template
