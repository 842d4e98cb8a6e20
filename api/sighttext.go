package api

import (
	"slices"
	"strings"
	"unicode"

	"thalassa/lb"
)

// applied is the outcome of a change of what is seen. Its reason may be about anything, and
// its objects may name others.
func (s sight) applied(in lb.Intent, a lb.Applied) lb.Applied {
	if a.Backend != nil {
		b := s.backend(*a.Backend, s.hiddenNames(in))
		a.Backend = &b
	}
	seen, _ := s.revision(in, lb.Revision{Changes: a.Changes})
	a.Changes = seen.Changes
	if a.Reason != "" {
		a.Reason = "the newest configuration is not in effect"
	}
	a.Warnings = slices.DeleteFunc(slices.Clone(a.Warnings), s.namesHidden)
	return a
}

// failure is an error without what it says of other objects. What HAProxy says may name
// any line of the file.
func (s sight) failure(f *ResponseError) *ResponseError {
	out := *f
	if f.Code == "refused" {
		out.Output, out.Fields = "", nil
		out.Message = "HAProxy refuses the configuration; what it says is for those who see all objects"
	}
	if tag := f.Header.Get(headerETag); f.Code == "precondition_failed" && tag != "" {
		// It is that of the object with its hidden names: they could be guessed from it.
		out.Header = f.Header.Clone()
		out.Header.Del(headerETag)
		out.Message = strings.ReplaceAll(f.Message, ": its entity tag is now "+tag, "")
	}
	out.By = slices.DeleteFunc(slices.Clone(f.By), func(id string) bool { return !s.grant.Sees(id) })
	out.Fields = slices.DeleteFunc(slices.Clone(f.Fields), func(e lb.FieldError) bool { return s.namesHidden(e.Problem) || s.namesHidden(e.Expected) })
	if len(out.By) < len(f.By) || s.namesHidden(out.Message) {
		out.Message = "objects that you do not see are in the way of this request"
	}
	return &out
}

// namesHidden reports whether a text has the id of an object that is not seen, whether it
// exists or not, or what may have such a name in it.
func (s sight) namesHidden(text string) bool {
	if namesAnything(text) {
		return true
	}
	for _, kind := range lb.Kinds() {
		prefix := string(kind) + "/"
		for rest := text; ; {
			_, after, found := strings.Cut(rest, prefix)
			if !found {
				break
			}
			end := strings.IndexFunc(after, func(r rune) bool { return !isNameRune(r) })
			if end < 0 {
				end = len(after)
			}
			if name := strings.TrimRight(after[:end], ".:"); name != "" && !s.grant.Sees(prefix+name) {
				return true
			}
			rest = after
		}
	}
	return false
}

// namesAnything reports whether a text quotes what may have the name of any object: the expression
// that a backend hashes, or the files of its connections, which have the names of certificates.
func namesAnything(text string) bool {
	_, balance, found := strings.Cut(text, " balance")
	return found && strings.Contains(balance, "hash ") || strings.Contains(text, " connections: ")
}

// isNameRune reports whether an lb.Name may have a character.
func isNameRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_.:-", r)
}

// A nameSet is the names that a caller does not see.
type nameSet map[string]bool

// hiddenNames are the names of all objects and services that are not seen, unless an object
// that is seen has the name, too.
func (s sight) hiddenNames(in lb.Intent) nameSet {
	out, sees := nameSet{}, s.services(in)
	for _, o := range in.Objects() {
		if !s.grant.Sees(o.ID()) {
			if name := nameOf(o); name != "" {
				out[string(name)] = true
			}
		}
		if b, ok := o.(lb.Backend); ok && b.Service != "" && !sees(b.Service) {
			out[string(b.Service)] = true
		}
	}
	return out
}

// nameOf is the name that is hidden with an object. That of a section is not: a frontend
// or backend that names one could not be written again.
func nameOf(o lb.Object) lb.Name {
	return lb.Match(o,
		func(f lb.Frontend) lb.Name { return f.Key },
		func(b lb.Backend) lb.Name { return b.Key },
		nil,
		func(c lb.Certificate) lb.Name { return c.Key },
	)
}

// in reports whether a text has one of the names as a word.
func (n nameSet) in(text string) bool {
	if len(n) == 0 {
		return false
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !isNameRune(r) }) {
		if n[word] || n[strings.Trim(word, ".:")] {
			return true
		}
	}
	return false
}
