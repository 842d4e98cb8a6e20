package template

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"

	"thalassa/lb"
)

// Fingerprint computes the fingerprint of Render's result. It is much cheaper, because nothing is
// read back. The error is an *lb.RefusedError of stage "render".
func (t *Template) Fingerprint(c lb.Config) (string, error) {
	bind, err := t.peersBind(newView(c))
	if err != nil {
		return "", refused(err)
	}
	fingerprint, err := t.fingerprint(c, bind)
	if err != nil {
		return "", refused(err)
	}
	return fingerprint, nil
}

// fingerprint identifies the rendering of c with all slots spare, and without the lines of slots
// that equal the first of their backend: changes at run time do not affect it. If a template uses
// the number of servers elsewhere, each number has its own fingerprint.
func (t *Template) fingerprint(c lb.Config, peersBind string) (string, error) {
	pools := make([]lb.ResolvedBackend, len(c.Backends))
	slotted := make(map[string]bool, len(c.Backends))
	for i, p := range c.Backends {
		pools[i] = p.Emptied()
		slotted[string(p.Key)] = p.Slots != nil
	}
	c.Backends = pools
	v := viewOf(c, false)
	for i, b := range v.Backends {
		for j := range b.Servers {
			if pools[i].Placement != lb.PlacedByNumber {
				b.Servers[j].ID = 0 // HAProxy has the same numbers where they are not said
			}
		}
	}
	v.Process.PeersBind = peersBind
	text, err := t.execute(v, t.length.Load())
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(foldSlots(text, slotted))
	return hex.EncodeToString(sum[:6]), nil
}

// foldSlots removes, in place, the lines of slots that equal the first of their backend except for
// the name.
func foldSlots(text []byte, slotted map[string]bool) []byte {
	kept := text[:0]
	first, inSlotted := []byte(nil), false
	for line := range bytes.Lines(text) {
		keyword, rest := cutWord(line)
		name, options := cutWord(rest)
		switch {
		case lb.IsSection(string(keyword)):
			first, inSlotted = nil, string(keyword) == "backend" && slotted[string(name)]
		case inSlotted && string(keyword) == "server" && lb.SlotIndex(string(name)) == 0:
			first = bytes.Clone(options) // kept is written where the text is
		case inSlotted && string(keyword) == "server" && lb.SlotIndex(string(name)) > 0 && first != nil && bytes.Equal(options, first):
			continue
		}
		kept = append(kept, line...)
	}
	return kept
}

// cutWord is the first word of a line, and what follows it.
func cutWord(line []byte) (word, rest []byte) {
	line = bytes.TrimLeft(line, " \t")
	end := bytes.IndexAny(line, " \t\n")
	if end < 0 {
		return line, nil
	}
	return line[:end], line[end:]
}
