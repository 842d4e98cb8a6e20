package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"

	"thalassa/client"
)

// changedSection is a raw section after a change, with what became of the change.
type changedSection struct {
	client.Section
	client.Applied
}

// sectionObjects are the raw sections of haproxy.cfg. A key is "KIND/NAME", "global" or
// "defaults".
func sectionObjects() objects {
	return objects{
		kind:     "section",
		keys:     sectionKeys,
		sample:   "user ann insecure-password secret",
		key:      "userlist/staff",
		file:     "its lines, or a JSON file",
		document: sectionDocument,
		list: func(ctx context.Context, r *remote, c *client.Client) error {
			list, err := client.NewSections(c).List(ctx)
			if err != nil {
				return err
			}
			return r.show(list, func(w io.Writer) {
				row(w, "SECTION", "DEFAULTS", "LINES")
				for _, s := range list {
					row(w, s.Key, orDash(s.Defaults), len(s.Natives))
				}
			})
		},
		get: func(ctx context.Context, c *client.Client, key string) (any, error) {
			return client.NewSections(c).Get(ctx, key)
		},
		put: func(ctx context.Context, c *client.Client, key string, doc json.RawMessage) (any, client.Applied, error) {
			s, applied, err := client.NewSections(c).Put(ctx, key, doc)
			return changedSection{s, applied}, applied, err
		},
		remove: func(ctx context.Context, c *client.Client, key string) (client.Applied, error) {
			return client.NewSections(c).Delete(ctx, key)
		},
	}
}

// sectionDocument makes a document of the lines of a section, as they stand in haproxy.cfg
// below its header. A text that begins with a brace is a document already.
func sectionDocument(file string, data []byte) (json.RawMessage, error) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return data, checkJSON(file, data)
	}
	lines := []string{}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return json.Marshal(struct {
		Natives []string `json:"natives"`
	}{lines})
}

func sectionKeys(ctx context.Context, c *client.Client, _ []string) ([]string, error) {
	list, err := client.NewSections(c).List(ctx)
	return namesOf(list, func(s client.Section) string { return s.Key }), err
}
