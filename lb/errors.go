package lb

import (
	"fmt"
	"strings"
)

// A FieldError says which field of a document is wrong, why, and what was expected.
type FieldError struct {
	// Path of the field in its document, e.g. "rules[0].operation".
	Path string
	// Problem is one clause, e.g. `"regex" is not an operation of a path rule`.
	Problem string
	// Expected says what a right value looks like; may be empty.
	Expected string
}

// Error joins path, problem and expectation into one sentence.
func (e FieldError) Error() string {
	s := e.Problem
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	if e.Expected != "" {
		s += ", expected " + e.Expected
	}
	return s
}

// InvalidError is a document with one or more bad fields. Nothing of the
// document was used.
type InvalidError struct {
	Fields []FieldError // at most MaxFields where FieldErrors has collected them
	More   int          // further bad fields, which Fields does not have
}

// Error lists the bad fields.
func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Error()
	}
	if e.More > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", e.More))
	}
	return strings.Join(parts, "; ")
}

// NotFoundError names an object that does not exist.
type NotFoundError struct {
	ID   string // e.g. "backend/live"
	Hint string // what there is instead, e.g. "the record begins at noon"; may be empty
}

// Error says that the object does not exist, and what there is instead.
func (e *NotFoundError) Error() string {
	if e.Hint != "" {
		return e.ID + " does not exist: " + e.Hint
	}
	return e.ID + " does not exist"
}

// ConflictError is a valid request that the current state forbids, e.g. deleting a backend that a
// frontend routes to.
type ConflictError struct {
	ID     string
	Reason string   // one sentence without the object's name
	By     []string // ids of the objects in the way, sorted; may be empty
}

// Error gives the object and the reason.
func (e *ConflictError) Error() string { return e.ID + ": " + e.Reason }

// PreconditionError says that the condition of an If-Match or If-None-Match is not met.
type PreconditionError struct {
	ID      string
	Current string // the entity tag the object has now; "" when it does not exist
}

// Error says what the object's tag is now.
func (e *PreconditionError) Error() string {
	if e.Current == "" {
		return e.ID + " does not exist, so the precondition does not hold"
	}
	return fmt.Sprintf("%s has changed: its entity tag is now %s", e.ID, e.Current)
}

// RefusedError is a configuration that HAProxy, or the check of the rendered file before it, does
// not accept. The previous configuration keeps running.
type RefusedError struct {
	// At is the step that failed: "render", "check" (haproxy -c) or "start" (the new worker did not
	// start; the previous file was restored).
	At string
	// Output is HAProxy's output, trimmed; it may have several lines.
	Output string
	// Config is the haproxy.cfg that was refused, and Path what Output calls it; nil: that is
	// not known.
	Config []byte
	Path   string
}

// Error names the step and has the first line of the output.
func (e *RefusedError) Error() string {
	line, _, _ := strings.Cut(strings.TrimSpace(e.Output), "\n")
	return "haproxy refused the configuration (" + e.At + "): " + line
}

// UnavailableError is something that is not possible now, but may be later:
// Consul has not answered yet, HAProxy is not running.
type UnavailableError struct {
	What string // one sentence
}

// Error is the sentence itself.
func (e *UnavailableError) Error() string { return e.What }

// bad makes the error of a parser that does not know its field's path yet.
func bad(problem, expected string) FieldError {
	return FieldError{Problem: problem, Expected: expected}
}
