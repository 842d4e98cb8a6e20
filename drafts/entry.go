package drafts

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/config"
)

// A Version says which writes a draft has: by start of an agent, the number of the last one that
// is in it. No start uses a number twice.
type Version map[string]uint64

// has reports whether all writes of another version are in this one.
func (v Version) has(o Version) bool {
	for agent, n := range o {
		if v[agent] < n {
			return false
		}
	}
	return true
}

func (v Version) equal(o Version) bool { return maps.Equal(v, o) }

// merged has the writes of both.
func (v Version) merged(o Version) Version {
	out := Version{}
	for _, from := range []Version{v, o} {
		for agent, n := range from {
			out[agent] = max(out[agent], n)
		}
	}
	return out
}

// String is the same for equal versions.
func (v Version) String() string {
	var out strings.Builder
	for _, agent := range slices.Sorted(maps.Keys(v)) {
		fmt.Fprintf(&out, "%s=%d ", agent, v[agent])
	}
	return out.String()
}

// maxStarts is how many starts of agents may have changed a draft. It can be committed and dropped
// still, up to twice as many.
const maxStarts = 200

// maxWrites is how many of its last writes a draft, or its end, knows by their IDs.
const maxWrites = 512

// writeID is the name of a write.
func writeID() string { return rand.Text()[:12] }

// An entry is a draft, or the end of one.
type entry struct {
	id      string
	draft   config.Draft // zero: it was dropped or committed
	dropped time.Time    // zero: it was not
	version Version
	writes  []string // IDs of the last ones, so that none is made twice
	node    string   // of the last one
}

func (e entry) isThere() bool { return e.dropped.IsZero() }

// written is the entry with one more write.
func (e entry) written(agent string, number uint64, write, node string) entry {
	e.version = e.version.merged(Version{agent: number})
	e.writes = append(slices.Clone(e.writes[max(0, len(e.writes)-maxWrites+1):]), write)
	e.node = node
	return e
}

// isOfTooMany reports whether too many starts of agents have changed a draft for what it is next.
func (e entry) isOfTooMany(next entry) bool {
	most := maxStarts
	if e.draft.Commit != nil || next.draft.Commit != nil {
		most *= 2
	}
	return len(e.version) >= most
}

// isIn reports whether another entry has what this one is, though its version may not say so: a write
// that nobody has confirmed is made again by the next keeper.
func (e entry) isIn(o entry) bool {
	mine := e.writes
	if len(o.writes) > 0 { // what is older than the oldest that the other one knows, it has
		mine = mine[max(0, slices.Index(mine, o.writes[0])):]
	}
	if len(mine) > 0 && !slices.ContainsFunc(mine, func(w string) bool { return !slices.Contains(o.writes, w) }) {
		return true
	}
	if e.isThere() != o.isThere() {
		return false
	}
	return !e.isThere() || bytes.Equal(e.content(), o.content())
}

// content is the draft as JSON, without the versions.
func (e entry) content() []byte {
	doc := docOf(e)
	doc.Version, doc.Writes, doc.Node = nil, nil, ""
	data, _ := json.Marshal(doc) // cannot fail
	return data
}

// compare is more than 0 if the entry keeps its ID rather than another one of the same: the one that was
// dropped last, else the one that has all of the other, else the newer one.
func (e entry) compare(o entry) int {
	if n := e.dropped.Compare(o.dropped); n != 0 { // zero: it is there
		return n
	}
	switch has, isIn := o.isIn(e), e.isIn(o); {
	case has && !isIn:
		return 1
	case isIn && !has:
		return -1
	}
	return cmp.Or(e.draft.Begun.Compare(o.draft.Begun), e.draft.Changed.Compare(o.draft.Changed), strings.Compare(e.version.String(), o.version.String()))
}

// resolved are the entries that take the place of two of the same ID, none of which has all writes of
// the other: the one that keeps the ID, with the version of both, and a copy of the other under a name
// of its own, if it would be lost. Every keeper comes to the same result. What was dropped stays dropped.
func resolved(a, b entry) (kept entry, other *entry) {
	kept, lost := a, b
	if a.compare(b) < 0 {
		kept, lost = b, a
	}
	if lost.isThere() && !lost.isIn(kept) {
		copied := lost
		sum := sha256.Sum256([]byte(lost.version.String()))
		copied.id = lost.id[:min(len(lost.id), maxBase)] + conflictMark + hex.EncodeToString(sum[:4])
		copied.draft.ID = copied.id
		why := "edited on both sides of a split"
		if !kept.isThere() {
			why = "edited on one side of a split, and dropped or committed on the other"
		}
		copied.draft.Message = cut(fmt.Sprintf("%s as %s had it: %s. %s", lost.id, cmp.Or(lost.node, "another node"), why, lost.draft.Message))
		other = &copied
	}
	kept.version = a.version.merged(b.version)
	return kept, other
}

const (
	// conflictMark is in the names of copies that a split has left.
	conflictMark = ".conflict-"
	// maxBase is how much of the former name the name of such a copy has, in bytes.
	maxBase = 100
	// maxMessage is the longest message of a draft, in bytes.
	maxMessage = 200
)

func cut(text string) string {
	return strings.ToValidUTF8(strings.TrimSpace(text[:min(len(text), maxMessage)]), "")
}

// An entryDoc is an entry in JSON, in the database and between agents. It has the secrets that the
// edits have. Without a version, it is of an agent that did not share drafts.
type entryDoc struct {
	ID      string              `json:"id"`
	Author  string              `json:"author,omitempty"`
	Message string              `json:"message,omitempty"`
	Listed  bool                `json:"listed,omitempty"`
	Begun   time.Time           `json:"begun,omitzero"`
	Changed time.Time           `json:"changed,omitzero"`
	Number  uint64              `json:"number,omitempty"`
	Edits   []editDoc           `json:"edits,omitempty"`
	Base    map[string]string   `json:"base,omitempty"`
	Inject  []cluster.Injection `json:"inject,omitempty"`
	At      time.Time           `json:"at,omitzero"`
	Commit  *commitDoc          `json:"commit,omitempty"`
	Dropped time.Time           `json:"dropped,omitzero"`
	Version Version             `json:"version,omitempty"`
	Writes  []string            `json:"writes,omitempty"`
	Node    string              `json:"node,omitempty"`
}

type editDoc struct {
	Number  uint64    `json:"number"`
	Author  string    `json:"author,omitempty"`
	Time    time.Time `json:"time"`
	Op      string    `json:"op"`
	Kind    string    `json:"kind"`
	ID      string    `json:"id"`
	Body    string    `json:"body,omitempty"`
	XML     bool      `json:"xml,omitempty"`
	To      string    `json:"to,omitempty"`
	Cascade bool      `json:"cascade,omitempty"`
}

type commitDoc struct {
	Job     string    `json:"job"`
	Begun   time.Time `json:"begun"`
	ID      string    `json:"id,omitempty"`
	Node    string    `json:"node,omitempty"`
	Writing bool      `json:"writing,omitempty"`
}

func docOf(e entry) entryDoc {
	d := e.draft
	doc := entryDoc{
		ID: e.id, Author: d.Author, Message: d.Message, Listed: d.Listed, Begun: plain(d.Begun), Changed: plain(d.Changed),
		Number: d.Number, Base: d.Base, Inject: d.Inject, At: plain(d.At),
		Dropped: plain(e.dropped), Version: e.version, Writes: e.writes, Node: e.node,
	}
	if d.Commit != nil {
		doc.Commit = &commitDoc{Job: d.Commit.Job, Begun: plain(d.Commit.Begun), ID: d.Commit.ID, Node: d.Commit.Node, Writing: d.Commit.Writing}
	}
	for _, e := range d.Edits {
		doc.Edits = append(doc.Edits, editDoc{
			Number: e.Number, Author: e.Author, Time: plain(e.Time), Op: e.Edit.Op, Kind: string(e.Edit.Kind), ID: e.Edit.ID,
			Body: string(e.Edit.Body), XML: e.Edit.IsXML, To: e.Edit.To, Cascade: e.Edit.Cascade,
		})
	}
	return doc
}

// plain is a time as it is read again.
func plain(t time.Time) time.Time { return t.UTC().Round(0) }

func (doc entryDoc) entry() entry {
	e := entry{id: doc.ID, dropped: doc.Dropped, version: doc.Version, writes: doc.Writes, node: doc.Node}
	if !e.isThere() {
		return e
	}
	e.draft = config.Draft{
		ID: doc.ID, Author: doc.Author, Message: doc.Message, Listed: doc.Listed, Begun: doc.Begun, Changed: doc.Changed,
		Number: doc.Number, Base: doc.Base, Inject: doc.Inject, At: doc.At,
	}
	if doc.Commit != nil {
		e.draft.Commit = &config.Committing{Job: doc.Commit.Job, Begun: doc.Commit.Begun, ID: doc.Commit.ID, Node: doc.Commit.Node, Writing: doc.Commit.Writing}
	}
	for _, o := range doc.Edits {
		e.draft.Edits = append(e.draft.Edits, config.DraftEdit{Number: o.Number, Author: o.Author, Time: o.Time, Edit: config.Edit{
			Op: o.Op, Kind: config.Kind(o.Kind), ID: o.ID, Body: []byte(o.Body), IsXML: o.XML, To: o.To, Cascade: o.Cascade,
		}})
	}
	return e
}

func encode(e entry) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // XML would have six times its size
	if err := enc.Encode(docOf(e)); err != nil {
		return nil, fmt.Errorf("encoding draft %s: %w", e.id, err)
	}
	return out.Bytes(), nil
}

func decode(data []byte) (entry, error) {
	var doc entryDoc
	if err := json.Unmarshal(data, &doc); err != nil {
		return entry{}, fmt.Errorf("reading a draft: %w", err)
	}
	return doc.entry(), nil
}
