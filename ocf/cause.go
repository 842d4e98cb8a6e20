package ocf

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"thalassa/lb"
)

// Pacemaker keeps 128 bytes of a reason. So the cause comes first, and what was tried,
// with paths, after it.

var (
	// cannotBind matches HAProxy's message about a bind line: "Binding [FILE:9] for frontend
	// web: protocol tcpv4: cannot bind socket (WHY) for [192.0.2.1:80]", or "Starting
	// frontend web: cannot bind socket (WHY) [192.0.2.1:80]".
	cannotBind = regexp.MustCompile(`cannot bind (?:\w+ )*socket \(([^)]+)\)(?: for)? \[([^\]]+)\]`)
	// usedAddress matches the message of package haproxy about an address in use.
	usedAddress = regexp.MustCompile(`^(line \d+): bind (\S+): (address already in use.*)$`)
	// inLine matches the place that HAProxy names before a problem.
	inLine = regexp.MustCompile(`^(?:config : )?(?:parsing |Binding )?\[[^\]]*?([^/\]]+:\d+)\](?: for [^:]+)? ?:? *`)
	// noCause matches alerts that only repeat that there is a problem.
	noCause = regexp.MustCompile(`(?i)^(config : )?(error\(s\) found|fatal errors found|\[haproxy\.main|some protocols failed)`)
)

// causeIn is the cause in HAProxy's output: that of its first alert, without what stands
// before it.
func causeIn(output string) string {
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if _, rest, ok := strings.Cut(line, "] "); ok && strings.HasPrefix(line, "[") && !inLine.MatchString(line) {
			line = strings.TrimSpace(rest)
		}
		if line == "" || noCause.MatchString(line) {
			continue
		}
		if m := cannotBind.FindStringSubmatch(line); m != nil {
			return "cannot bind " + m[2] + ": " + m[1]
		}
		if m := usedAddress.FindStringSubmatch(line); m != nil {
			return "cannot bind " + m[2] + ": " + m[3] + " (" + m[1] + ")"
		}
		line = strings.TrimPrefix(line, "config : ")
		if m := inLine.FindStringSubmatch(line); m != nil && len(line) > len(m[0]) {
			return line[len(m[0]):] + " (" + m[1] + ")"
		}
		return line
	}
	return ""
}

// cause is an error with its cause first: "connection refused (asking HAProxy)".
func cause(err error) string {
	if refused, ok := errors.AsType[*lb.RefusedError](err); ok {
		return causeIn(refused.Output)
	}
	whole, root := oneLine(err.Error()), err
	for next := root; next != nil; next = inner(root) {
		root = next
	}
	first := oneLine(root.Error())
	if errors.Is(root, context.DeadlineExceeded) {
		first = "no answer in time"
	}
	before := strings.TrimSuffix(whole, ": "+oneLine(root.Error()))
	switch before {
	case whole, "": // the cause does not end it
		return whole
	}
	return first + " (" + before + ")"
}

// inner is the error that another one wraps, the first of several; nil: none.
func inner(err error) error {
	switch e := err.(type) { //nolint:errorlint // it walks the chain
	case interface{ Unwrap() error }:
		return e.Unwrap()
	case interface{ Unwrap() []error }:
		if list := e.Unwrap(); len(list) > 0 {
			return list[0]
		}
	}
	return nil
}

// oneLine converts text to one line, as Pacemaker shows it.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " | ")
}
