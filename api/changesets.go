package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/certs"
	"thalassa/lb"
	"thalassa/stage"
)

// maxChangeset is the maximum size of a changeset's body. It is what one caller gets of
// Config.BodyBytes by default.
const maxChangeset = 4 << 20

// changesPath is the path for changesets, the only one that takes bodies of maxChangeset.
const changesPath = "/changes"

// changesetHandlers carry out several edits as one change.
type changesetHandlers struct {
	agent *Agent
	// certificates checks and stores those that edits put; nil: edits put none.
	certificates *storedCertificates
}

// apply carries out a changeset, or with dryRun=1 shows what it would do.
func (h changesetHandlers) apply(c echo.Context) error {
	q := parameters(c.Request(), "dryRun")
	dryRun := q.flag("dryRun")
	if err := q.err(); err != nil {
		return err
	}
	data, err := bodyOf(c, maxChangeset)
	if err != nil {
		return err
	}
	set, err := node.ParseChangeset(data)
	if err != nil {
		return err
	}
	for i, e := range set.Edits {
		if set.Edits[i], err = meant(c.Request().Context(), h.agent, e); err != nil {
			return err
		}
	}
	warnings, err := h.store(c.Request().Context(), &set, dryRun)
	if err != nil {
		return err
	}
	message := set.Origin.Message
	set.Origin = h.agent.Origin(c)
	set.Origin.Message = message
	return h.carryOut(c, set.Changeset, dryRun, warnings...)
}

// store checks the certificates that edits put, stores their keys, and completes the edits. If the
// changeset is not carried out, nothing refers to the keys, and they are removed later. A dry run
// stores no keys.
func (h changesetHandlers) store(ctx context.Context, set *node.Changeset, isTried bool) (warnings []string, err error) {
	for i, e := range set.Edits {
		if e.Certificate == nil || e.Certificate.ACME == nil {
			continue
		}
		if h.certificates == nil || h.certificates.orders == nil {
			return nil, unavailableFailure("certificates are not ordered here")
		}
		if err := h.certificates.orders.Check(*e.Certificate.ACME); err != nil {
			return nil, node.UploadError(i, err)
		}
	}
	if len(set.Uploads) == 0 {
		return nil, nil
	}
	if h.certificates == nil {
		return nil, unavailableFailure("certificates are not stored here")
	}
	if err := h.agent.judge(ctx, set.Edits); err != nil {
		return nil, err
	}
	uploads := make([]certs.Upload, len(set.Uploads))
	keys := make([]lb.Name, len(set.Uploads))
	for i, u := range set.Uploads {
		uploads[i], keys[i] = u.Upload, set.Edits[u.Edit].Certificate.Key
	}
	bundles, at, err := h.certificates.bundles(ctx, keys, uploads)
	if err != nil {
		return nil, node.UploadError(set.Uploads[at].Edit, err)
	}
	for i, b := range bundles {
		*set.Edits[set.Uploads[i].Edit].Certificate = b.Certificate
		if isTried {
			set.Try(b.Files)
		} else if err := h.certificates.keys.Put(b.Files); err != nil {
			return nil, err
		}
		warnings = append(warnings, b.Warnings...)
	}
	return warnings, nil
}

// carryOut carries out a changeset and answers with what it has changed.
func (h changesetHandlers) carryOut(c echo.Context, set stage.Changeset, dryRun bool, warnings ...string) error {
	if dryRun {
		preview, err := h.agent.Preview(c.Request().Context(), set)
		if err != nil {
			return err
		}
		preview.Warnings = slices.Concat(preview.Warnings, warnings)
		doc, err := node.NewPreview(preview)
		if err != nil {
			return err
		}
		return respond(c, http.StatusOK, doc)
	}
	applied, err := h.carried(c, set)
	if err != nil {
		return err
	}
	applied.Warnings = slices.Concat(applied.Warnings, warnings)
	done, err := withChanges(applied)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, done)
}

// withChanges is the answer that a changeset has been carried out, with what it has changed.
func withChanges(applied lb.Applied) (changed, error) {
	docs, err := node.NewChanges(applied.Changes)
	return changed{struct {
		Changes []node.Change `json:"changes"`
	}{docs}, applied}, err
}

// carried carries out a changeset, which may wait for healthy instances.
func (h changesetHandlers) carried(c echo.Context, set stage.Changeset) (lb.Applied, error) {
	return untilEnd(c, func(ctx context.Context) (lb.Applied, error) { return h.agent.Apply(ctx, set) })
}

// definitions answers with all frontends, backends and sections as operators defined them.
func (h changesetHandlers) definitions(c echo.Context) error {
	in, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	return respondTagged(c, node.NewDefinitions(in))
}
