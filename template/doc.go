// Package template turns an lb.Config into the bytes of haproxy.cfg.
//
// The default template is part of the program; an operator may bring another
// one, in the language of text/template. After every rendering the bytes are
// read back, and unless they hold the sections and the bind, use_backend,
// default_backend and server lines that went in, and no others, nothing is
// returned: whatever a template or a value does, it cannot open a section.
//
// The package is pure: no files, no network, no clock, no logging. Equal
// configurations and equal templates give equal bytes.
//
// # For authors of templates
//
// The template is executed with a View; its fields and the functions below are
// all there is, and they stay. Nothing in a View holds a line break or another
// control character, so that a value never leaves its line. Names, addresses,
// balance algorithms and modes are safe as they are; rule patterns, the URI of
// a health check and paths go through quote.
//
//	quote S       S as one word of haproxy.cfg, in single quotes where needed;
//	              a list becomes its words separated by blanks
//	join SEP LIST the strings of LIST with SEP between them
//	chunk LIST    LIST in pieces that fit on one line: HAProxy takes 64 words
//	ms D          a duration in milliseconds: 2000ms
//	duration D    a duration in the greatest unit that divides it: 5m
//
// What every template has to do:
//
//   - one frontend section per .Frontends and one backend section per
//     .Backends, each with the .Key as its name;
//   - in a frontend a bind line per .Binds, a use_backend line per .Rules and
//     default_backend when .Backend is not empty, in the order of the View;
//   - in a backend a server line per .Servers with its .Name and .Address;
//   - in both the .Natives, each on a line of its own.
//
// Beyond that it may write any fixed line and section it wants to. A directive
// of HAProxy's preprocessor (.if and its like) has to stand outside of sections
// made from .Frontends and .Backends.
//
// The number of server lines of a dynamic backend changes while HAProxy runs, unless a
// template makes more of it than the lines of slots, all alike but for their members.
//
// The Fingerprint tells which configuration a running HAProxy has. Written into
// the global section as
//
//	description "thalassa {{.Fingerprint}}"
//
// it comes back from HAProxy's stats socket, and an agent that starts anew
// knows whether it has to do anything at all.
package template
