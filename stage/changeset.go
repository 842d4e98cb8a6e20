package stage

import (
	"errors"
	"maps"
	"strconv"

	"thalassa/lb"
)

// MaxEdits is the maximum number of edits in a changeset.
const MaxEdits = 20000

// A Changeset is a list of edits that become one revision together, or fail together.
type Changeset struct {
	// Edits are made in this order; the origins of single edits do not matter.
	Edits  []lb.Edit
	Origin lb.Origin
	// Trial has the texts of certificates with their keys, by their digests, that the edits
	// name and nobody has stored. A preview uses them and keeps none.
	Trial map[string][]byte
}

// Try adds texts to Trial.
func (c *Changeset) Try(texts map[string][]byte) {
	if c.Trial == nil {
		c.Trial = make(map[string][]byte, len(texts))
	}
	maps.Copy(c.Trial, texts)
}

// Of is the changeset of a single edit.
func Of(e lb.Edit) Changeset { return Changeset{Edits: []lb.Edit{e}, Origin: e.Origin} }

// Check refuses a changeset without edits, one with too many, and too long a message. The
// error is an *lb.InvalidError.
func (c Changeset) Check() error {
	var fe lb.FieldErrors
	if n := len(c.Edits); n == 0 {
		fe.Add("edits", "is empty", "at least one edit")
	} else if n > MaxEdits {
		fe.Add("edits", "has "+strconv.Itoa(n)+" edits", "at most "+strconv.Itoa(MaxEdits))
	}
	fe.AddErr("message", lb.CheckMessage(c.Origin.Message))
	return fe.Err()
}

// Apply returns the intent after all edits; it does not change in. Errors are those of
// lb.Intent.ApplyAll.
func (c Changeset) Apply(in lb.Intent) (lb.Intent, error) { return in.ApplyAll(c.Edits) }

// About is an error about one of the edits, an *lb.EditError; nil for nil.
func About(edit int, err error) error {
	if err == nil {
		return nil
	}
	return &lb.EditError{Index: edit, Err: err}
}

// Named adds the object of the edit to an error about one of the edits, for callers who have not
// numbered them. It returns other errors unchanged.
func (c Changeset) Named(err error) error {
	about, ok := errors.AsType[*lb.EditError](err)
	if !ok || about.Index >= len(c.Edits) {
		return err
	}
	return &lb.EditError{Index: about.Index, Object: c.Edits[about.Index].ID(), Err: about.Err}
}

// Single removes the number from an error about the only edit of a changeset.
func Single(err error) error {
	if about, ok := errors.AsType[*lb.EditError](err); ok {
		return about.Err
	}
	return err
}

// Concerns lists the backends that the edits concern, each once, in their order.
func (c Changeset) Concerns() []lb.Name {
	var out []lb.Name
	seen := map[lb.Name]bool{}
	for _, e := range c.Edits {
		for _, key := range e.Concerns() {
			if !seen[key] {
				seen[key] = true
				out = append(out, key)
			}
		}
	}
	return out
}

// Objects lists the ids of the objects that the edits are about, in their order.
func (c Changeset) Objects() []string {
	out := make([]string, len(c.Edits))
	for i, e := range c.Edits {
		out[i] = e.ID()
	}
	return out
}

// Ineffective returns a sentence for each raw line of the edits that has no effect on frontends and
// backends; see lb.Section.Ineffective.
func (c Changeset) Ineffective() []string {
	var out []string
	for _, e := range c.Edits {
		if e.Section != nil {
			out = append(out, e.Section.Ineffective()...)
		}
	}
	return out
}

// Services lists the Consul services that the edits ask for, each once.
func (c Changeset) Services() []lb.Name {
	var out []lb.Name
	seen := map[lb.Name]bool{"": true}
	for _, e := range c.Edits {
		var service lb.Name
		switch {
		case e.Backend != nil && e.Backend.Type == "dynamic":
			service = e.Backend.Service
		case e.Switch != nil:
			service = e.Switch.Service
		}
		if !seen[service] {
			seen[service] = true
			out = append(out, service)
		}
	}
	return out
}
