package lb

import (
	"iter"
	"maps"
	"strings"
)

// A Kind is the kind of an object, and the first part of its id.
type Kind string

// The kinds of objects. This file has everything of Intent and Edit that differs between kinds.
// Other packages use Match and ByKind, whose parameters are the kinds: a new kind is one more
// parameter, and no package compiles before it says what it does with it.
const (
	KindFrontend    Kind = "frontend"
	KindBackend     Kind = "backend"
	KindSection     Kind = "section"
	KindCertificate Kind = "certificate"
)

// Kinds lists all kinds of objects.
func Kinds() []Kind { return []Kind{KindFrontend, KindBackend, KindSection, KindCertificate} }

// KindOf is the kind in an id; it need not be one of Kinds.
func KindOf(id string) Kind {
	kind, _, _ := strings.Cut(id, "/")
	return Kind(kind)
}

// Match calls the function for the kind of an object, and returns its result. For nil, and
// where the function is nil, the result is the zero value.
func Match[T any](o Object, frontend func(Frontend) T, backend func(Backend) T, section func(Section) T, certificate func(Certificate) T) T {
	switch o := o.(type) {
	case Frontend:
		return call(frontend, o)
	case Backend:
		return call(backend, o)
	case Section:
		return call(section, o)
	case Certificate:
		return call(certificate, o)
	}
	var none T
	return none
}

func call[O Object, T any](f func(O) T, o O) (out T) {
	if f != nil {
		out = f(o)
	}
	return out
}

// ByKind is the value for a kind; false: it is none of Kinds.
func ByKind[T any](k Kind, frontend, backend, section, certificate T) (value T, ok bool) {
	switch k {
	case KindFrontend:
		return frontend, true
	case KindBackend:
		return backend, true
	case KindSection:
		return section, true
	case KindCertificate:
		return certificate, true
	}
	return value, false
}

// NewIntent is an Intent without objects, to which Put adds.
func NewIntent() Intent { return Intent{}.Clone() }

// Clone is a copy of the intent with its own maps.
func (in Intent) Clone() Intent {
	return Intent{
		Revision: in.Revision, Frontends: cloned(in.Frontends), Backends: cloned(in.Backends), Sections: cloned(in.Sections),
		Certificates: cloned(in.Certificates),
	}
}

// cloned is maps.Clone that never returns nil.
func cloned[K comparable, T any](m map[K]T) map[K]T {
	out := make(map[K]T, len(m)+1)
	maps.Copy(out, m)
	return out
}

// Objects gives all objects, in no order, with the key under which each stands.
func (in Intent) Objects() iter.Seq2[string, Object] {
	return func(yield func(string, Object) bool) {
		_ = each(in.Frontends, yield) && each(in.Backends, yield) && each(in.Sections, yield) && each(in.Certificates, yield)
	}
}

// Sorted lists the objects of a kind in the order of SortedFrontends, SortedBackends,
// SortedSections or SortedCertificates.
func (in Intent) Sorted(k Kind) []Object {
	list, ok := ByKind(k, asObjects(in.SortedFrontends), asObjects(in.SortedBackends), asObjects(in.SortedSections), asObjects(in.SortedCertificates))
	if !ok {
		return nil
	}
	return list()
}

func asObjects[O Object](list func() []O) func() []Object {
	return func() []Object {
		objects := list()
		out := make([]Object, len(objects))
		for i, o := range objects {
			out[i] = o
		}
		return out
	}
}

func each[K ~string, O Object](m map[K]O, yield func(string, Object) bool) bool {
	for key, o := range m {
		if !yield(string(key), o) {
			return false
		}
	}
	return true
}

// Object finds an object by its id; nil: there is none.
func (in Intent) Object(id string) Object {
	kind, key, _ := strings.Cut(id, "/")
	switch Kind(kind) {
	case KindFrontend:
		return find(in.Frontends, Name(key))
	case KindBackend:
		return find(in.Backends, Name(key))
	case KindSection:
		return find(in.Sections, key)
	case KindCertificate:
		return find(in.Certificates, Name(key))
	}
	return nil
}

func find[K comparable, O Object](m map[K]O, key K) Object {
	if o, ok := m[key]; ok {
		return o
	}
	return nil
}

// Put adds or replaces an object. The maps of the intent must not be shared. References between
// objects are not checked.
func (in Intent) Put(o Object) {
	switch o := o.(type) {
	case Frontend:
		in.Frontends[o.Key] = o
	case Backend:
		in.Backends[o.Key] = o
	case Section:
		in.Sections[o.Key()] = o
	case Certificate:
		in.Certificates[o.Key] = o
	}
}

// Remove removes an object if it exists. The maps of the intent must not be shared. References
// between objects are not checked.
func (in Intent) Remove(id string) {
	kind, key, _ := strings.Cut(id, "/")
	switch Kind(kind) {
	case KindFrontend:
		delete(in.Frontends, Name(key))
	case KindBackend:
		delete(in.Backends, Name(key))
	case KindSection:
		delete(in.Sections, key)
	case KindCertificate:
		delete(in.Certificates, Name(key))
	}
}

// EditOf is the edit that creates or replaces an object.
func EditOf(o Object) Edit {
	var e Edit
	switch o := o.(type) {
	case Frontend:
		e.Frontend = &o
	case Backend:
		e.Backend = &o
	case Section:
		e.Section = &o
	case Certificate:
		e.Certificate = &o
	}
	return e
}

// Object is what the edit creates or replaces; nil for a switch and a removal.
func (e Edit) Object() Object {
	switch {
	case e.Frontend != nil:
		return *e.Frontend
	case e.Backend != nil:
		return *e.Backend
	case e.Section != nil:
		return *e.Section
	case e.Certificate != nil:
		return *e.Certificate
	}
	return nil
}
