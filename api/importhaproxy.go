package api

import (
	"errors"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/imports"
	"thalassa/internal/permit"
	"thalassa/stage"
)

// importHAProxyPath is the path for files of HAProxy.
const importHAProxyPath = "/import/haproxy"

// haproxy imports a hand-written haproxy.cfg as one change, or with dryRun=1 shows what that would
// do.
func (h importHandlers) haproxy(c echo.Context) error {
	q := parameters(c.Request(), "dryRun", "replace", "hostname", "message")
	dryRun := q.flag("dryRun")
	options := imports.Options{Replace: q.flag("replace"), Hostname: q.text("hostname")}
	message := q.text("message")
	if err := q.err(); err != nil {
		return err
	}
	text, err := readHAProxy(c)
	if err != nil {
		return err
	}
	done, err := h.agent.OneFile(c.Request().Context()) // which takes much memory, as a database does
	if err != nil {
		return err
	}
	defer done()
	in, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	im, err := imports.Read(text, in, options)
	if err != nil {
		return err
	}
	set := stage.Changeset{Edits: im.Edits, Origin: h.agent.Origin(c)}
	set.Origin.Message = message
	if message == "" {
		set.Origin.Message = "import of a haproxy.cfg"
	}
	if err := set.Check(); err != nil {
		return err
	}
	report := importedFile(im.Report)
	if dryRun {
		return h.previewFile(c, set, im, fileReport{report, text})
	}
	// HAProxy has checked the same text, when the change is carried out.
	if after, err := h.agent.previewConfigured(c.Request().Context(), set); err == nil {
		report.Differences = differences(text, after)
	}
	applied, err := h.changesets.carried(c, set)
	if err != nil {
		return im.Blame(err)
	}
	changes, err := node.NewChanges(applied.Changes)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, changed{struct {
		Changes []node.Change `json:"changes"`
		node.ImportedFile
	}{changes, report}, applied})
}

// readHAProxy reads the body, the text of a haproxy.cfg.
func readHAProxy(c echo.Context) ([]byte, error) {
	r := c.Request()
	if err := checkMedia(r, "a haproxy.cfg", echo.MIMETextPlain); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, r.Body, imports.MaxSize))
	switch {
	case errors.As(err, new(*http.MaxBytesError)), errors.As(err, new(*ResponseError)):
		return nil, err
	case err != nil:
		return nil, invalidField("body", "is incomplete", "a whole haproxy.cfg")
	}
	return data, permit.Check(r.Context()) // the body may have taken long
}

// A fileReport is the result of importing a text.
type fileReport struct {
	node.ImportedFile

	text []byte
}

// differences lists where HAProxy behaves differently with the rendered file from the original;
// none if they cannot be compared.
func differences(original, rendered []byte) []node.ImportDifference {
	if rendered == nil {
		return nil
	}
	list, err := imports.Compare(original, rendered)
	if err != nil { // which the import has read already, and the renderer
		return nil
	}
	out := make([]node.ImportDifference, len(list))
	for i, d := range list {
		out[i] = node.ImportDifference(d)
	}
	return out
}

func (h importHandlers) previewFile(c echo.Context, set stage.Changeset, im imports.Import, report fileReport) error {
	p, err := h.agent.Preview(c.Request().Context(), set)
	if err != nil {
		return im.Blame(err)
	}
	preview, err := node.NewPreview(p)
	if err != nil {
		return err
	}
	report.Differences = differences(report.text, p.After)
	return respond(c, http.StatusOK, struct {
		node.Preview
		node.ImportedFile
	}{preview, report.ImportedFile})
}

// importedFile makes the JSON document of a report.
func importedFile(r imports.Report) node.ImportedFile {
	out := node.ImportedFile{Lines: make([]node.ImportedLine, len(r.Lines)), Comments: r.Comments}
	for i, l := range r.Lines {
		out.Lines[i] = node.ImportedLine(l)
	}
	return out
}
