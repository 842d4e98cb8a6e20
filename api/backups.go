package api

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/backup"
	"thalassa/internal/permit"
	"thalassa/lb"
	"thalassa/stage"
)

// Backups makes and reads backups, as store.Backups does.
type Backups interface {
	// WriteBackup writes a backup of what is stored now; *backup.TooLargeError. keys gives the
	// encrypted keys of certificates; nil: they are left out.
	WriteBackup(ctx context.Context, w io.Writer, h backup.Header, keys func(stage.Backup) ([]byte, error)) error
	// ReadBackup checks a whole backup; *lb.InvalidError. It changes nothing.
	ReadBackup(r io.Reader) (backup.Header, stage.Backup, error)
	// Seal encrypts texts by digest for a passphrase, and Open decrypts them; *lb.InvalidError
	// about the field passphrase.
	Seal(texts map[string][]byte, passphrase string) ([]byte, error)
	Open(sealed []byte, passphrase string) (map[string][]byte, error)
}

const (
	// backupPath is the path of backups, the only one that takes bodies of backup.MaxBytes.
	backupPath = "/backup"
	// backupType is the media type of backups: one JSON document a line.
	backupType = "application/x-ndjson"
)

// backupHandlers make and restore backups.
type backupHandlers struct {
	cfg        Config
	changesets changesetHandlers
	answers    *answers
}

func newBackupHandlers(cfg Config, changesets changesetHandlers, a *answers) backupHandlers {
	return backupHandlers{cfg: cfg, changesets: changesets, answers: a}
}

// wait waits until no other large file is made or read.
func (h backupHandlers) wait(ctx context.Context) (done func(), err error) {
	if h.cfg.Backups == nil {
		return nil, &lb.UnavailableError{What: "there are no backups"}
	}
	return h.changesets.agent.OneFile(ctx)
}

// OneAtATime fills a channel of one slot until done is called, and waits for it for a while.
// what is done while it is full. The error is that of a caller who has lost its right
// meanwhile, a *ResponseError, or that of ctx.
func OneAtATime(ctx context.Context, turn chan struct{}, what string) (done func(), err error) {
	timeout := time.NewTimer(budgetWait)
	defer timeout.Stop()
	select {
	case turn <- struct{}{}:
		if err := permit.Check(ctx); err != nil { // it may have waited
			<-turn
			return nil, err
		}
		return func() { <-turn }, nil
	case <-timeout.C:
		return nil, unavailableFailure("another " + what + " is under way; try again later")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// make answers with a backup, piece by piece.
func (h backupHandlers) make(c echo.Context) error {
	if err := parameters(c.Request()).err(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	secret, err := passphraseOf(c)
	if err != nil {
		return err
	}
	done, err := h.wait(ctx)
	if err != nil {
		return err
	}
	defer done()
	var keys func(stage.Backup) ([]byte, error)
	if secret != "" {
		c.Set(objectKey, withKeys)
		keys = func(b stage.Backup) ([]byte, error) { return h.sealed(b, secret) }
	}
	now := h.cfg.Now().UTC().Round(0)
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="thalassa-`+now.Format("20060102T150405Z")+`.backup"`)
	c.Set(exportKey, true)
	out := &pieces{c: c, contentType: backupType}
	err = h.cfg.Backups.WriteBackup(ctx, pieceWriter{out}, backup.Header{Program: h.cfg.Version, Node: h.cfg.Label, Time: now}, keys)
	if tooLarge, ok := errors.AsType[*backup.TooLargeError](err); ok {
		err = &ResponseError{Status: http.StatusConflict, Code: "conflict", Message: tooLarge.Error()}
	}
	if err != nil {
		c.Response().Header().Del(echo.HeaderContentDisposition)
		return out.abort(err)
	}
	return out.close()
}

// A pieceWriter sends what is written as soon as it is a piece.
type pieceWriter struct{ pieces *pieces }

func (w pieceWriter) Write(p []byte) (int, error) {
	n, _ := w.pieces.Write(p) // which never fails
	return n, w.pieces.send()
}

// restore restores a backup, or with dryRun=1 shows what that would do.
func (h backupHandlers) restore(c echo.Context) error {
	how, dryRun, err := howToRestore(c)
	if err != nil {
		return err
	}
	done, err := h.wait(c.Request().Context())
	if err != nil {
		return err
	}
	defer done()
	secret, err := passphraseOf(c)
	if err != nil {
		return err
	}
	header, b, err := h.read(c)
	if err != nil {
		return err
	}
	keys, err := h.open(c, b, secret)
	if err != nil {
		return err
	}
	if !dryRun && len(keys) > 0 { // if the restore fails, nothing names them, and they are removed later
		if err := h.cfg.Keys.Put(keys); err != nil {
			return err
		}
	}
	how.Message = cmp.Or(how.Message, "restore the backup of "+header.Time.UTC().Format(time.RFC3339))
	doc := node.Restored{Backup: node.NewBackupHeader(header), Drafts: []string{}}
	return retried(func() error {
		set, err := h.changesets.towards(c, b.Intent, how)
		if err != nil {
			return err
		}
		if dryRun {
			set.Trial = keys
			return set.Named(h.preview(c, set, b, doc))
		}
		return set.Named(h.carryOut(c, set, b, doc))
	})
}

// howToRestore reads the query of a restore, whose body is the backup.
func howToRestore(c echo.Context) (how node.Restore, dryRun bool, err error) {
	q := parameters(c.Request(), "dryRun", "force", "wait", "message")
	how = node.Restore{Message: q.text("message"), Force: q.flag("force")}
	dryRun = q.flag("dryRun")
	var fe lb.FieldErrors
	fe.AddErr("message", lb.CheckMessage(how.Message))
	how.Wait, err = lb.ParseWait(q.text("wait"))
	fe.AddErr("wait", err)
	fe.AddErr("", q.err())
	return how, dryRun, fe.Err()
}

// read reads the body, a backup.
func (h backupHandlers) read(c echo.Context) (backup.Header, stage.Backup, error) {
	r := c.Request()
	if err := checkMedia(r, "a backup", backupType, echo.MIMEOctetStream); err != nil {
		return backup.Header{}, stage.Backup{}, err
	}
	header, b, err := h.cfg.Backups.ReadBackup(http.MaxBytesReader(c.Response().Writer, r.Body, backup.MaxBytes))
	switch {
	case err == nil:
		return header, b, permit.Check(r.Context()) // the body may have taken long
	case errors.As(err, new(*lb.InvalidError)), errors.As(err, new(*http.MaxBytesError)), errors.As(err, new(*ResponseError)):
		return header, b, err
	}
	return header, b, invalidField("body", "is incomplete", "a whole backup")
}

// preview shows what a restore would do.
func (h backupHandlers) preview(c echo.Context, set stage.Changeset, b stage.Backup, doc node.Restored) error {
	ctx := c.Request().Context()
	p, err := h.changesets.agent.Preview(ctx, set)
	if err != nil {
		return err
	}
	preview, err := node.NewPreview(p)
	if err != nil {
		return err
	}
	_, members := h.changesets.agent.Snapshot(ctx).Overrides.Restored(b.Members, h.cfg.Now(), b.Intent)
	doc.Members = node.NewRestoredMembers(members)
	for _, d := range b.Drafts {
		_, err := h.cfg.Drafts.Draft(ctx, d.ID)
		switch {
		case err == nil:
			doc.Kept = append(doc.Kept, d.ID)
		case errors.As(err, new(*lb.NotFoundError)):
			doc.Drafts = append(doc.Drafts, d.ID)
		default:
			return err
		}
	}
	return respond(c, http.StatusOK, struct {
		node.Preview
		node.Restored
	}{preview, doc})
}

// carryOut restores frontends and backends as one revision, with the overrides of members, and then
// the drafts. A failure with overrides or drafts is a warning, because the revision exists.
func (h backupHandlers) carryOut(c echo.Context, set stage.Changeset, b stage.Backup, doc node.Restored) error {
	members, applied, err := h.carried(c, set, b)
	if err != nil {
		return err
	}
	changes, err := node.NewChanges(applied.Changes)
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(c.Request().Context())
	applied.Warnings = slices.Clone(applied.Warnings)
	doc.Members = node.NewRestoredMembers(members)
	for _, d := range b.Drafts {
		_, err := h.cfg.Drafts.CreateDraft(ctx, d)
		switch _, getErr := h.cfg.Drafts.Draft(ctx, d.ID); {
		case err == nil:
			doc.Drafts = append(doc.Drafts, d.ID)
		case getErr == nil:
			doc.Kept = append(doc.Kept, d.ID)
		default:
			applied.Warnings = append(applied.Warnings, "draft "+d.ID+" is not restored: "+err.Error())
		}
	}
	return respond(c, http.StatusOK, changed{struct {
		Changes []node.Change `json:"changes"`
		node.Restored
	}{changes, doc}, applied})
}

// carried makes a changeset and restores overrides of members with it.
func (h backupHandlers) carried(c echo.Context, set stage.Changeset, b stage.Backup) ([]lb.Override, lb.Applied, error) {
	change := func() (lb.Applied, error) { return h.changesets.carried(c, set) }
	if len(b.Members) == 0 || h.cfg.Members == nil {
		applied, err := change()
		return nil, applied, err
	}
	return h.cfg.Members.RestoreMembers(c.Request().Context(), b.Members, b.Intent, set.Origin, change)
}
