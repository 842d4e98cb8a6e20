package hrapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/api"
	"thalassa/gateway"
	"thalassa/lb"
	"thalassa/pyhrapi"
)

// sqliteType is what pyHrapi calls SQLite databases.
const sqliteType = "application/x-sqlite2"

// databaseHandlers move the whole model: as a database of pyHrapi, and in backups.
type databaseHandlers struct {
	staging

	cfg       Config
	backups   *backups            // nil: there is no folder for them
	artifacts *artifactRepository // nil: there is none
}

// exportSQL answers with what the draft shows as a database of pyHrapi. What such a
// database cannot hold is a conflict, unless force=1 leaves it out. Certificates come without
// their keys, unless an admin asks for them with keys=1.
func (h databaseHandlers) exportSQL(c echo.Context) error {
	withKeys := c.QueryParam("keys") == "1"
	if withKeys {
		if err := h.agent.CheckKeyExport(c); err != nil {
			return err
		}
	}
	ctx := c.Request().Context()
	m, err := h.model(ctx)
	if err != nil {
		return err
	}
	db, left := pyhrapi.Export(m)
	if len(left) > 0 && c.QueryParam("force") != "1" {
		return &api.ResponseError{
			Status: http.StatusConflict, Code: "conflict",
			Message: "a database of pyHrapi does not hold everything; force=1 leaves out what it cannot: " + strings.Join(left, "; "),
		}
	}
	if db.Certificates, err = h.agent.CertificateTexts(m.Intent(), withKeys); err != nil {
		return err
	}
	release, err := h.agent.OneFile(ctx)
	if err != nil {
		return err
	}
	defer release()
	data, err := pyhrapi.Write(db)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="default.db"`)
	return api.Respond(c, http.StatusOK, sqliteType, data)
}

// importSQL adds what a database of pyHrapi has to the draft, or changes nothing.
func (h databaseHandlers) importSQL(c echo.Context) error {
	given := c.Request().Header.Get(echo.HeaderContentType)
	if given != sqliteType {
		return importError(c, "Content-Type is "+strconv.Quote(given)+", expected "+sqliteType)
	}
	release, err := h.agent.OneFile(c.Request().Context())
	if err != nil {
		return err
	}
	defer release()
	db, err := api.ReadPyHrapi(c)
	var left []string
	var kept []lb.Certificate
	var refused map[string]string
	if err == nil {
		kept, refused, err = h.agent.KeepCertificates(c.Request().Context(), db.Certificates, nil)
	}
	if err == nil {
		err = h.change(c, func(m *gateway.Model) (err error) {
			m.PutCertificates(kept)
			left, err = pyhrapi.Import(db, m, refused)
			return err
		})
	}
	if unusable, ok := errors.AsType[*pyhrapi.Error](err); ok {
		return importError(c, unusable.Error())
	}
	return answer(c, err, func() object {
		out := object{"DB import": "Done"}
		if len(left) > 0 {
			out["left"] = left
		}
		return out
	})
}

func importError(c echo.Context, why string) error {
	return respond(c, http.StatusBadRequest, object{"Import error": why})
}

// check refuses the name of a backup, and any where no folder is set.
func (h databaseHandlers) check(name string) error {
	if h.backups == nil {
		return &lb.UnavailableError{What: "there is no folder for backups"}
	}
	return checkBackupName(name)
}

// backup saves what the draft shows under a name.
func (h databaseHandlers) backup(c echo.Context) error {
	name, err := param(c, "db")
	if err != nil {
		return err
	}
	if err := h.check(name); err != nil {
		return err
	}
	in, err := h.agent.Staged(c.Request().Context(), DraftID)
	if err != nil {
		return err
	}
	data, err := encodeChecked(name, in, h.agent.Origin(c).Time)
	if err != nil {
		return err
	}
	return h.save(c, name, data)
}

// configBackup is the name of the backups of haproxy.cfg.
const configBackup = "config"

// backupConfig saves haproxy.cfg as last written.
func (h databaseHandlers) backupConfig(c echo.Context) error {
	if err := h.check(configBackup); err != nil {
		return err
	}
	if h.cfg.HAProxyConfig == nil {
		return &lb.UnavailableError{What: "haproxy.cfg is not available"}
	}
	text, err := h.cfg.HAProxyConfig(c.Request().Context())
	if err != nil {
		return err
	}
	return h.save(c, configBackup, text)
}

// save saves data as the next version of a name: in a file, and in the artifact repository
// where there is one. What fails there is part of the answer.
func (h databaseHandlers) save(c echo.Context, name string, data []byte) error {
	const most = 25 * time.Second
	ctx, cancel := context.WithTimeout(c.Request().Context(), most)
	defer cancel()
	known := 0
	var problem error
	if h.artifacts != nil {
		known, problem = h.artifacts.last(ctx, name)
	}
	v, err := h.backups.save(name, known, data)
	if err != nil {
		return err
	}
	out := object{"success": "uploaded " + name + ".db", "version": v.number}
	if h.artifacts != nil {
		out["repository"] = "stored"
		if err := errors.Join(problem, h.artifacts.store(ctx, v, data)); err != nil {
			out["repository"] = err.Error()
		}
	}
	return done(c, out)
}

// restore puts the content of a backup into the draft. A commit carries it out.
func (h databaseHandlers) restore(c echo.Context) error {
	if err := errors.Join(h.agent.CheckDeliberate(c), api.CheckParameters(c.Request())); err != nil {
		return err
	}
	name, text, err := names(c, "db", "version")
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return invalid("version", strconv.Quote(text)+" is not a version", "a whole number from 1 on")
	}
	if err := h.check(name); err != nil {
		return err
	}
	if name == configBackup {
		return &lb.ConflictError{ID: "backup/" + configBackup, Reason: "it is a haproxy.cfg, and no backup of gateways and pools: POST /v1/controller/upload takes one"}
	}
	saved, isThere, all, err := h.backups.load(name, number)
	if err == nil && !isThere && h.artifacts != nil {
		saved, isThere, err = h.fromRepository(c.Request().Context(), version{name: name, number: number})
	}
	if err != nil {
		return err
	}
	if !isThere {
		list := make([]string, len(all))
		for i, v := range all {
			list[i] = v.String()
		}
		return respond(c, http.StatusNotFound, object{"error": "not found", "db list": list})
	}
	err = h.agent.Stage(c.Request().Context(), DraftID, h.agent.Origin(c), func(in lb.Intent) (lb.Intent, error) {
		return restored(in, saved), nil
	})
	if err != nil {
		return err
	}
	return done(c, object{"success": "restored database"})
}

// fromRepository reads a version that there is no file of.
func (h databaseHandlers) fromRepository(ctx context.Context, v version) (in lb.Intent, isThere bool, err error) {
	const most = 25 * time.Second
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	data, isThere, err := h.artifacts.load(ctx, v)
	switch {
	case err != nil:
		return in, false, &lb.UnavailableError{What: err.Error()}
	case !isThere:
		return in, false, nil
	}
	if in, err = decode(data); err != nil {
		return in, true, &lb.ConflictError{ID: "backup/" + v.String(), Reason: "what the artifact repository has is not usable: " + err.Error()}
	}
	return in, true, nil
}

// restored is an intent with the frontends and backends of a backup instead of its own. The
// dashboard, sections and certificates stay.
func restored(in, saved lb.Intent) lb.Intent {
	var changes []lb.ObjectChange
	for _, f := range in.SortedFrontends() {
		if _, stays := saved.Frontends[f.Key]; !stays && f.Key != dashboardKey {
			changes = append(changes, lb.ObjectChange{ID: f.ID()})
		}
	}
	for _, b := range in.SortedBackends() {
		if _, stays := saved.Backends[b.Key]; !stays {
			changes = append(changes, lb.ObjectChange{ID: b.ID()})
		}
	}
	for _, f := range saved.SortedFrontends() {
		changes = append(changes, lb.ObjectChange{ID: f.ID(), After: f})
	}
	for _, b := range saved.SortedBackends() {
		changes = append(changes, lb.ObjectChange{ID: b.ID(), After: b})
	}
	return in.With(changes)
}
