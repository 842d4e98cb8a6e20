package lb

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxMessage bounds the message of an Origin, in bytes.
const MaxMessage = 1000

// CheckMessage refuses a message of more than MaxMessage bytes. The error is a FieldError
// without a path.
func CheckMessage(message string) error {
	if n := len(message); n > MaxMessage {
		return bad("has "+strconv.Itoa(n)+" bytes", "at most "+strconv.Itoa(MaxMessage))
	}
	return nil
}

// An EditError says which of several edits an error is about.
type EditError struct {
	Index int // of the edit, from 0
	// Object is the id of the object that the edit is about, if callers have not numbered the
	// edits; empty: use Index.
	Object string
	Err    error
}

// Error is the error, prefixed with the number of the edit or with its object.
func (e *EditError) Error() string {
	if e.Object != "" {
		return fmt.Sprintf("%s: %v", e.Object, e.Err)
	}
	return fmt.Sprintf("edits[%d]: %v", e.Index, e.Err)
}

// Unwrap is the error alone.
func (e *EditError) Unwrap() error { return e.Err }

// Apply returns the intent after the edit; in does not change. Errors: *PreconditionError,
// *NotFoundError (deleting or switching an object that does not exist), *ConflictError (deleting a
// backend that a frontend routes to, an address bound twice, switching a static backend),
// *InvalidError (an invalid reference).
func (in Intent) Apply(e Edit) (Intent, error) {
	next, err := in.ApplyAll([]Edit{e})
	if single, ok := errors.AsType[*EditError](err); ok {
		return next, single.Err
	}
	return next, err
}

// ApplyAll returns the intent after several edits; in does not change. The edits are made in their
// order, and the condition of an edit is checked after those before it. References between objects
// need to be valid only after the last edit. An error is one of Apply's, wrapped in an *EditError
// if it is about one edit.
func (in Intent) ApplyAll(edits []Edit) (Intent, error) {
	next := in.Clone()
	for i, e := range edits {
		if err := applyEdit(next, e); err != nil {
			return Intent{}, &EditError{Index: i, Err: err}
		}
	}
	if i, err := checkDeleted(next, edits); err != nil {
		return Intent{}, &EditError{Index: i, Err: err}
	}
	if err := next.Validate(); err != nil {
		return next, blame(next, edits, err)
	}
	if i, err := checkNewLines(next, edits); err != nil {
		return next, &EditError{Index: i, Err: err}
	}
	if i, err := checkLoops(next, edits); err != nil {
		return next, &EditError{Index: i, Err: err}
	}
	return next, nil
}

// applyEdit carries out one edit in an intent that is not shared yet. References from other objects
// are not checked.
func applyEdit(in Intent, e Edit) error {
	if err := e.CheckConditions(in); err != nil {
		return err
	}
	object := e.Object()
	switch {
	case object != nil && e.Keeps:
		in.Put(keepingOf(in, object))
	case object != nil:
		in.Put(object)
	case e.Switch != nil:
		b, err := in.Switched(*e.Switch)
		if err != nil {
			return err
		}
		in.Put(b)
	case in.Object(e.Delete) == nil:
		return &NotFoundError{ID: e.Delete}
	default:
		in.Remove(e.Delete)
	}
	return nil
}

// keepingOf is an object with the fields that Edit.Keeps takes from the one that it replaces.
func keepingOf(in Intent, o Object) Object {
	return Match(o,
		func(f Frontend) Object { return f.keepingEndpoints(in.Frontends[f.Key]) },
		func(b Backend) Object { return b.keepingTargets(in.Backends[b.Key]) },
		func(s Section) Object { return s },
		func(c Certificate) Object { return c },
	)
}

// CheckConditions refuses an edit whose object does not meet IfMatch and IfNoneMatch. The
// error is a *PreconditionError.
func (e Edit) CheckConditions(in Intent) error {
	if len(e.IfMatch) == 0 && !e.IfNoneMatch {
		return nil
	}
	object, current := in.Object(e.ID()), ""
	if object != nil {
		current = object.ETag()
	}
	if e.IfNoneMatch && object != nil {
		return &PreconditionError{ID: e.ID(), Current: current}
	}
	if len(e.IfMatch) > 0 && (object == nil || !slices.Contains(e.IfMatch, current) && !slices.Contains(e.IfMatch, "*")) {
		return &PreconditionError{ID: e.ID(), Current: current}
	}
	return nil
}

// checkDeleted checks that no other object names what edits have deleted, and returns
// the index of the edit that the error is about.
func checkDeleted(in Intent, edits []Edit) (int, error) {
	for i, e := range edits {
		if e.Delete == "" || in.Object(e.Delete) != nil { // made again by a later edit
			continue
		}
		isBackend := e.Delete == (Backend{Key: keyOf(e.Delete)}).ID()
		if by := in.RoutedBy(keyOf(e.Delete)); len(by) > 0 && isBackend {
			return i, &ConflictError{ID: e.Delete, Reason: "is still routed to by " + strings.Join(by, ", "), By: by}
		}
		isCertificate := e.Delete == (Certificate{Key: keyOf(e.Delete)}).ID()
		if by := in.CertificateUsers(keyOf(e.Delete)); len(by) > 0 && isCertificate {
			return i, &ConflictError{ID: e.Delete, Reason: "is still used by " + strings.Join(by, ", "), By: by}
		}
		if by := basedOn(in, e.Delete); len(by) > 0 {
			return i, &ConflictError{ID: e.Delete, Reason: "is still named by the field defaults of " + strings.Join(by, ", "), By: by}
		}
		if by := usedBy(in, e.Delete); len(by) > 0 {
			return i, &ConflictError{ID: e.Delete, Reason: "is still named by raw lines of " + strings.Join(by, ", "), By: by}
		}
	}
	return 0, nil
}

// blame finds the edit that Validate's error comes from.
func blame(in Intent, edits []Edit, err error) error {
	for i, e := range slices.Backward(edits) {
		object := in.Object(e.ID())
		if conflict, ok := errors.AsType[*ConflictError](err); ok {
			if conflict.ID == e.ID() || slices.Contains(conflict.By, e.ID()) {
				return &EditError{Index: i, Err: err}
			}
			continue
		}
		own := Match(object, func(f Frontend) error { return checkTargets(in, f) }, func(b Backend) error {
			if misfits(in, b) {
				return cmp.Or(in.CheckDefaults(b), err)
			}
			return cmp.Or(checkBackend(in, b), in.CheckDefaults(b))
		}, func(s Section) error { return in.CheckDefaults(s) }, func(c Certificate) error { return checkUses(in, c) })
		if own != nil {
			return &EditError{Index: i, Err: own}
		}
	}
	return err
}

// checkUses says that objects need a certificate of the other kind; nil: none does.
func checkUses(in Intent, c Certificate) error {
	for _, o := range certificateUsers(in) {
		var fe FieldErrors
		checkCertificates(in, &fe, o)
		names := slices.ContainsFunc(o.certificateUses(), func(use CertificateUse) bool { return use.Name == c.Key })
		if fe.Err() != nil && names {
			needs := "a certificate with a key"
			if !c.Authority {
				needs = "the certificates of authorities"
			}
			return &ConflictError{ID: c.ID(), Reason: "is used by " + o.ID() + ", which needs " + needs, By: []string{o.ID()}}
		}
	}
	return nil
}

// misfits reports whether a frontend that leads to a backend may not.
func misfits(in Intent, b Backend) bool {
	return slices.ContainsFunc(in.SortedFrontends(), func(f Frontend) bool {
		return f.routesTo(b.Key) && checkTargets(in, f) != nil
	})
}

// checkNewLines checks the raw lines of the frontends and sections that edits put, and
// returns the index of the edit that the error is about.
func checkNewLines(in Intent, edits []Edit) (int, error) {
	var bound []boundObject
	for i, e := range edits {
		if e.Object() == nil {
			continue
		}
		if bound == nil {
			bound = boundObjects(in)
		}
		err := Match(in.Object(e.ID()), // nil: deleted by a later edit
			func(f Frontend) error { return checkRawLines(in, f, bound) },
			nil,
			func(s Section) error { return checkListeners(s.ID(), s.listeners(), bound) },
			nil,
		)
		if err != nil {
			return i, err
		}
	}
	return 0, nil
}
