package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/internal/permit"
	"thalassa/lb"
	"thalassa/stage"
)

const (
	// revisionCost is what is taken from the budget of answers to read one revision.
	revisionCost = 4 << 20
	// sendSize is how much of a list is collected before it is sent. A shorter list is
	// sent as a whole, with its length.
	sendSize = 64 << 10
)

// listRevisions answers with the history. A revision may have a megabyte and more: they are
// read, encoded and sent one after the other.
func (h historyHandlers) listRevisions(c echo.Context) error {
	p := parameters(c.Request(), "before", "limit")
	before, limit := p.before(), p.limit()
	if err := p.err(); err != nil {
		return err
	}
	out := &pieces{c: c}
	out.WriteByte('[')
	for n := 0; n < limit; {
		number, added, err := h.addRevision(out, before, n > 0)
		if err != nil {
			return out.abort(err)
		}
		if added {
			n++
		}
		if number <= 1 {
			break
		}
		before = number
	}
	out.WriteString("]\n")
	return out.close()
}

// addRevision adds the newest revision before a number, and returns its number; 0: there is none.
// It skips revisions that changed nothing that the caller may see.
func (h historyHandlers) addRevision(out *pieces, before uint64, further bool) (number uint64, added bool, err error) {
	ctx := out.c.Request().Context()
	release, err := h.answers.acquireWithin(ctx, payer(out.c), revisionCost, out.patience())
	if err != nil {
		return 0, false, err
	}
	defer release()
	list, err := h.history.Revisions(ctx, before, 1)
	if err != nil || len(list) == 0 {
		return 0, false, err
	}
	number = list[0].Number
	revision, seen, err := h.agent.revision(ctx, list[0])
	if err != nil || !seen {
		return number, false, err
	}
	doc, err := node.NewRevision(revision)
	if err != nil {
		return 0, false, fmt.Errorf("encoding revision %d: %w", number, err)
	}
	if further {
		out.WriteByte(',')
	}
	return number, true, out.add(doc)
}

// showRevision answers with one revision, or for "3..7" with the difference between two.
func (h historyHandlers) showRevision(c echo.Context) error {
	first, last, isRange := strings.Cut(c.Param("number"), "..")
	if isRange {
		return h.compareRevisions(c, first, last)
	}
	n, err := revisionNumber(first)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	rev, err := h.history.Revision(ctx, n)
	if err != nil {
		return err
	}
	rev, seen, err := h.agent.revision(ctx, rev)
	switch {
	case err != nil:
		return err
	case !seen:
		return &lb.NotFoundError{ID: "revisions/" + first}
	}
	doc, err := node.NewRevision(rev)
	if err != nil {
		return fmt.Errorf("encoding revision %d: %w", n, err)
	}
	out := struct {
		node.Revision
		Config *node.Recorded `json:"config,omitempty"`
	}{Revision: doc}
	recorded, err := h.archive.ConfigOf(ctx, n)
	_, limited := sightOf(ctx)
	switch {
	case limited: // the file is that of all objects
	case err == nil:
		out.Config = new(node.NewRecorded(recorded))
	case !errors.As(err, new(*lb.NotFoundError)):
		return err
	}
	return respond(c, http.StatusOK, out)
}

func revisionNumber(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, invalidField("number", shown(text)+" is not a revision", "the number of a revision, or two as in 3..7")
	}
	return n, nil
}

// compareRevisions answers with the difference between two revisions: of the objects, and
// of haproxy.cfg where both texts are still recorded.
func (h historyHandlers) compareRevisions(c echo.Context, first, last string) error {
	from, err := revisionNumber(first)
	if err != nil {
		return err
	}
	to, err := revisionNumber(last)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	before, err := h.history.IntentAt(ctx, from)
	if err != nil {
		return err
	}
	after, err := h.history.IntentAt(ctx, to)
	if err != nil {
		return err
	}
	seen, err := h.agent.seenChanges(ctx, before.Changes(after))
	if err != nil {
		return err
	}
	changes, err := node.NewChanges(seen)
	if err != nil {
		return err
	}
	config, err := h.compareConfigs(ctx, from, to)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.Difference{From: from, To: to, Changes: changes, Config: config})
}

// textOf is the text of haproxy.cfg that a revision had at last.
func (h historyHandlers) textOf(ctx context.Context, revision uint64) ([]byte, error) {
	recorded, err := h.archive.ConfigOf(ctx, revision)
	if err != nil {
		return nil, err
	}
	_, text, err := h.archive.ConfigText(ctx, recorded.Number)
	return text, err
}

// compareConfigs is the difference between the texts of haproxy.cfg that two revisions had
// at last; nil where one of them is not recorded.
func (h historyHandlers) compareConfigs(ctx context.Context, from, to uint64) (*string, error) {
	if _, limited := sightOf(ctx); limited {
		return nil, nil
	}
	texts := make([][]byte, 2)
	for i, n := range []uint64{from, to} {
		text, err := h.textOf(ctx, n)
		if errors.As(err, new(*lb.NotFoundError)) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	name := func(n uint64) string { return "haproxy.cfg of revision " + strconv.FormatUint(n, 10) }
	return new(stage.Difference(name(from), name(to), texts[0], texts[1])), nil
}

// pieces is an answer that is sent piece by piece.
type pieces struct {
	bytes.Buffer

	c           echo.Context
	contentType string    // empty: JSON
	begun       time.Time // zero: nothing has been sent
}

// add encodes a value and sends it, or keeps it for the next piece.
func (p *pieces) add(v any) error {
	if err := json.NewEncoder(p).Encode(v); err != nil {
		return err
	}
	p.Truncate(p.Len() - 1) // the encoder's end of line
	return p.send()
}

// send sends what has been collected if that is much. A caller who has lost the right to read gets
// no further piece.
func (p *pieces) send() error {
	if p.Len() < sendSize {
		return nil
	}
	if err := permit.Check(p.c.Request().Context()); err != nil {
		return err
	}
	if p.begun.IsZero() {
		p.begun = time.Now()
		p.c.Response().Header().Set(echo.HeaderContentType, cmp.Or(p.contentType, echo.MIMEApplicationJSON))
		p.c.Response().WriteHeader(http.StatusOK)
	}
	deadline := time.Now().Add(writeTimeout)
	if last := p.begun.Add(maxWait); last.Before(deadline) {
		deadline = last
	}
	err := http.NewResponseController(p.c.Response()).SetWriteDeadline(deadline)
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("setting the deadline of the answer: %w", err)
	}
	_, err = p.c.Response().Write(p.Bytes())
	p.Reset()
	if p.Cap() > 2*sendSize {
		p.Buffer = bytes.Buffer{}
	}
	return err
}

// patience is how long the next piece may wait for its bytes: longer once a part has been sent,
// because an incomplete answer is useless.
func (p *pieces) patience() time.Duration {
	if p.begun.IsZero() {
		return budgetWait
	}
	return time.Until(p.begun.Add(maxWait))
}

// abort ends an answer that cannot be completed: with err, or by closing the connection
// where a part has been sent, so that nobody regards it as complete.
func (p *pieces) abort(err error) error {
	if p.begun.IsZero() {
		return err
	}
	panic(http.ErrAbortHandler)
}

// close sends the rest.
func (p *pieces) close() error {
	if p.begun.IsZero() {
		return write(p.c, http.StatusOK, cmp.Or(p.contentType, echo.MIMEApplicationJSON), p.Bytes())
	}
	if _, err := p.c.Response().Write(p.Bytes()); err != nil {
		return p.abort(err)
	}
	return nil
}
