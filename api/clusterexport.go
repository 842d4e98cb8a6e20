package api

import (
	"mime"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
)

const (
	// clusterExportPath is where files of the history are.
	clusterExportPath = clusterHistoryPath + "/export"
	// archiveType is the media type of such files: .tar.gz.
	archiveType = "application/gzip"
	// exportsAtATime are the files that are made at the same time: one of each caller.
	exportsAtATime = 2
)

// export answers with a file of the history, piece by piece.
func (h clusterHistoryHandlers) export(c echo.Context) error {
	p := parameters(c.Request(), "from", "to")
	f := cluster.HistoryFilter{From: p.time("from"), To: p.time("to")}
	err := p.err()
	if err == nil {
		err = f.Check()
	}
	if err != nil {
		return err
	}
	v, err := h.status()
	if err != nil {
		return err
	}
	past, err := h.past(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	release, err := h.exports.claim(c)
	if err != nil {
		return err
	}
	defer release()
	by := cluster.HistoryOrigin{Program: h.version, Cluster: v.Name, Node: v.Self, Nodes: []string{}, Made: h.now().UTC().Round(0)}
	for _, n := range v.Nodes {
		by.Nodes = append(by.Nodes, n.Name)
	}
	name := cluster.HistoryFormat + "-" + by.Made.Format("20060102T150405Z") + ".tar.gz"
	c.Response().Header().Set(echo.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	c.Set(exportKey, true)
	out := &pieces{c: c, contentType: archiveType}
	if err := past.Export(ctx, pieceWriter{out}, f, by); err != nil {
		c.Response().Header().Del(echo.HeaderContentDisposition)
		return out.abort(err)
	}
	return out.close()
}
