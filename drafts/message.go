package drafts

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"thalassa/lb"
)

// What agents ask each other.
const (
	askTake = "take" // the keeper: who knows more? From now on, it is the keeper
	askSync = "sync" // of the keeper: what do I lack?
	askPush = "push" // of the keeper: take over what you lack
	askPut  = "put"  // of the keeper: make this write
	askCopy = "copy" // of the others: keep this
)

// Codes of answers.
const (
	codeMoved  = "moved"  // another one is the keeper
	codeStale  = "stale"  // the draft has changed meanwhile
	codeGone   = "gone"   // there is no such draft
	codeTaken  = "taken"  // the ID or the number of drafts, for a reason
	codeFailed = "failed" // it cannot be stored
)

const (
	// MaxMessage limits what agents send each other, in bytes.
	MaxMessage = 4 << 20
	// maxExpanded limits what a message expands to.
	maxExpanded = 24 << 20
	// maxEntries limits the entries of a message, in bytes; one is always in it.
	maxEntries = 1 << 20
)

// A message is a question or an answer.
type message struct {
	Ask       string    `json:"ask,omitempty"`
	Term      uint64    `json:"term"`
	Keeper    string    `json:"keeper"`
	Last      uint64    `json:"last"`
	Cluster   string    `json:"cluster,omitempty"` // of which everything in it is
	Forgotten time.Time `json:"forgotten,omitzero"`

	// Sum is over the versions of all entries. Has are these versions, where the sums differ.
	Sum string             `json:"sum,omitempty"`
	Has map[string]Version `json:"has,omitempty"`
	// Entries are those that the other one lacks; More: not all of them. Want are IDs of what the keeper
	// lacks.
	Entries []json.RawMessage `json:"entries,omitempty"`
	More    bool              `json:"more,omitempty"`
	Want    []string          `json:"want,omitempty"`

	// Of a put: Write is its ID, Base what it was made from, New whether it begins the draft.
	Write string  `json:"write,omitempty"`
	Base  Version `json:"base,omitempty"`
	New   bool    `json:"new,omitempty"`

	Code   string   `json:"code,omitempty"`
	ID     string   `json:"id,omitempty"`
	Reason string   `json:"reason,omitempty"`
	Kept   []string `json:"kept,omitempty"`
}

// Bounds of what another agent may say: by how much a number may be higher than here, how far a time
// may be ahead, and the longest name of a node.
const (
	maxJump  = 1 << 32
	maxAhead = 366 * 24 * time.Hour
	maxNode  = 255
)

// canBe reports whether what another agent knows beside the drafts can be true.
func (s state) canBe(m message, now time.Time) bool {
	return (m.Term <= s.Term || m.Term-s.Term <= maxJump) && (m.Last <= s.Last || m.Last-s.Last <= maxJump) &&
		m.Forgotten.Sub(now) <= maxAhead && len(m.Keeper) <= maxNode && (m.Term == 0 || m.Keeper != "")
}

// A packer has what compresses messages, which is large, for the next one. It may be used concurrently.
type packer struct{ writers sync.Pool }

// pack is a message as it is sent. It has secrets.
func (p *packer) pack(m message) ([]byte, error) {
	var out, text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("telling other nodes of drafts: %w", err)
	}
	gz, is := p.writers.Get().(*gzip.Writer)
	if !is {
		gz = gzip.NewWriter(&out)
	}
	gz.Reset(&out)
	_, err := gz.Write(text.Bytes())
	err = errors.Join(err, gz.Close())
	gz.Reset(io.Discard)
	p.writers.Put(gz)
	if err != nil {
		return nil, fmt.Errorf("telling other nodes of drafts: %w", err)
	}
	if out.Len() > MaxMessage {
		return nil, fmt.Errorf("telling other nodes of drafts: the message has %d bytes, expected at most %d", out.Len(), MaxMessage)
	}
	return out.Bytes(), nil
}

// errMessage says no more: a message has secrets.
var errMessage = errors.New("reading what another node tells of drafts: it is no message")

func unpack(data []byte) (m message, err error) {
	gz, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return m, errMessage
	}
	text, err := io.ReadAll(io.LimitReader(gz, maxExpanded+1))
	if err != nil || len(text) > maxExpanded || json.Unmarshal(text, &m) != nil {
		return m, errMessage
	}
	return m, nil
}

// add adds an entry, and reports whether there is room for it.
func (m *message) add(e entry) (bool, error) {
	doc, err := encode(e)
	if err != nil {
		return false, err
	}
	size := len(doc)
	for _, other := range m.Entries {
		size += len(other)
	}
	if len(m.Entries) > 0 && size > maxEntries {
		m.More = true
		return false, nil
	}
	m.Entries = append(m.Entries, doc)
	return true, nil
}

// entries are those of the message. What is no entry is passed over.
func (m message) entries() []entry {
	var out []entry
	for _, doc := range m.Entries {
		e, err := decode(doc)
		if err != nil || len(e.version) == 0 {
			continue
		}
		if _, err := lb.ParseName(e.id); err == nil {
			out = append(out, e)
		}
	}
	return out
}
