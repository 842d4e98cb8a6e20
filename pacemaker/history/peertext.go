package history

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"slices"

	"thalassa/pacemaker"
)

// say tells the others what is unsaid, and once more what was said last, if there is room; ring:
// they are woken, because something is asked. What finds no room, or cannot be said, stays unsaid.
func (p *Peers) say(ctx context.Context, ring bool) error {
	first := slices.Clone(p.unsaid)
	slices.Reverse(first) // so that what waits longest is left out last
	p.mu.Lock()
	m := logMessage{Questions: slices.Clone(p.asked), Told: append(slices.Clone(p.told[max(0, len(p.told)+len(first)-mostTold):]), first...)}
	p.number++
	number := p.number
	p.mu.Unlock()
	text, room, err := p.textOf(m)
	if err == nil {
		err = p.cfg.Bell.Say(ctx, text)
	}
	if err == nil && ring {
		err = p.cfg.Bell.Ring(ctx, fmt.Sprintf("%d-%d", p.cfg.Now().Unix(), number))
	}
	if err != nil {
		return err
	}
	p.saidAt = p.cfg.Now()
	said := min(room, len(p.unsaid))
	p.told = append(p.told, p.unsaid[:said]...)
	p.told, p.unsaid = slices.Clone(p.told[max(0, len(p.told)-mostTold):]), slices.Clone(p.unsaid[said:])
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.put)
	for _, q := range m.Questions {
		p.put[q.ID] = true
	}
	return nil
}

// textOf is a message as it is said: without the first intervals, and the earliest lines of the
// last, if there is no room for them. room is how many intervals it has.
func (p *Peers) textOf(m logMessage) (text string, room int, err error) {
	for {
		var b bytes.Buffer
		gz := gzip.NewWriter(&b)
		if err := errors.Join(gob.NewEncoder(gz).Encode(m), gz.Close()); err != nil {
			return "", 0, fmt.Errorf("telling other nodes: %w", err)
		}
		text = base64.StdEncoding.EncodeToString(p.cfg.Key.Seal(logsSealedAs, b.Bytes()))
		switch {
		case len(text) <= pacemaker.MaxSaid:
			return text, len(m.Told), nil
		case len(m.Told) > 1:
			m.Told = m.Told[1:]
		case len(m.Told) == 1 && len(m.Told[0].Lines) > 0:
			t := m.Told[0]
			t.Lines, t.More = t.Lines[(len(t.Lines)+1)/2:], true
			m.Told = []toldSpan{t}
		default:
			return "", 0, fmt.Errorf("telling other nodes: the text has %d bytes, expected at most %d", len(text), pacemaker.MaxSaid)
		}
	}
}

// messageOf reads what another node has said.
func (p *Peers) messageOf(text string) (m logMessage, err error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return m, err
	}
	plain, err := p.cfg.Key.Open(logsSealedAs, sealed)
	if err != nil {
		return m, err
	}
	gz, err := gzip.NewReader(bytes.NewReader(plain))
	if err != nil {
		return m, err
	}
	return m, gob.NewDecoder(io.LimitReader(gz, maxMessage)).Decode(&m)
}
