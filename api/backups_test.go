package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/api/node"
	"thalassa/audit"
	"thalassa/backup"
	"thalassa/lb"
	"thalassa/stage"
)

const backupType = "Content-Type: application/x-ndjson"

// emptyBackup has nothing.
const emptyBackup = `{"format":"thalassa-backup","version":1,"time":"2026-01-01T00:00:00Z","revision":0,"entries":0}
{"sha256":"4ff0333f05e773994e0b6302dae42dd5a48ea29d42b05ee964ab60b20cc87f7a"}
`

// A restoredAnswer is the answer to POST /backup.
type restoredAnswer struct {
	node.Applied
	node.Restored

	Changes []node.Change
}

func TestABackupIsRestoredOnAnEmptyNode(t *testing.T) {
	t.Parallel()
	s := filledFixture(t)
	s.do("POST", "/backends/files/members/10.10.10.10:8080", `{"state":"drain","weight":"50%","for":"24h"}`).wants(t, 200, nil)
	s.do("POST", "/drafts", `{"id":"summer"}`).wants(t, http.StatusCreated, nil)
	s.do("PUT", "/backends/later?draft=summer", `{"type":"static"}`).wants(t, 200, nil)
	saved := s.get("/backup")
	saved.wants(t, 200, nil)
	if d := saved.header.Get("Content-Disposition"); !strings.HasPrefix(d, `attachment; filename="thalassa-2`) {
		t.Errorf("Content-Disposition %q", d)
	}

	empty := newFixture(t)
	empty.Discover("shop", "10.1.0.1:8080 1.0.0")
	var preview struct {
		node.Preview
		node.Restored
	}
	empty.do("POST", "/backup?dryRun=1", string(saved.body), backupType).wants(t, 200, &preview)
	if len(preview.Changes) != 3 || len(preview.Members) != 1 || len(preview.Drafts) != 1 {
		t.Errorf("preview %+v", preview)
	}
	if list, err := empty.Revisions(t.Context(), 0, 9); err != nil || len(list) != 0 {
		t.Errorf("a preview has made %d revisions, %v", len(list), err)
	}
	var done restoredAnswer
	empty.do("POST", "/backup?message=new+disk", string(saved.body), backupType).wants(t, 200, &done)
	if done.Revision != 1 || len(done.Changes) != 3 || done.Backup.Revision != 3 || done.Members[0].State != "drain" || done.Members[0].Weight != "50%" || done.Drafts[0] != "summer" {
		t.Errorf("answer %+v", done)
	}
	for _, path := range []string{"/frontends", "/backends/files", "/backends/files/members", "/backends/later?draft=summer"} {
		if a, b := s.get(path), empty.get(path); string(a.body) != string(b.body) {
			t.Errorf("%s: %s, restored %s", path, a.body, b.body)
		}
	}
	rev, err := empty.Revision(t.Context(), 1)
	if err != nil || rev.Message != "new disk" || rev.Cause != "POST /backup" {
		t.Errorf("revision %+v, %v", rev, err)
	}

	again := s.do("POST", "/backup", string(saved.body), backupType)
	done = restoredAnswer{}
	again.wants(t, 200, &done)
	if len(done.Changes)+len(done.Members)+len(done.Drafts) > 0 || !reflect.DeepEqual(done.Kept, []string{"summer"}) {
		t.Errorf("restored where nothing is missing: %+v", done)
	}
}

// TestWhatIsNewerStays: a restore ends no setting of a member, and changes no draft.
func TestWhatIsNewerStays(t *testing.T) {
	t.Parallel()
	s := filledFixture(t)
	s.do("POST", "/backends/files/members/10.10.10.10:8080", `{"state":"drain"}`).wants(t, 200, nil)
	s.do("POST", "/drafts", `{"id":"summer"}`).wants(t, http.StatusCreated, nil)
	saved := string(s.get("/backup").body)
	s.do("POST", "/backends/files/members/10.10.10.10:8080", `{"state":"maint"}`).wants(t, 200, nil)
	s.do("PUT", "/backends/later?draft=summer", `{"type":"static"}`).wants(t, 200, nil)
	s.do("DELETE", "/frontends/www", "").wants(t, 200, nil)
	s.do("PUT", "/backends/more", `{"type":"static"}`).wants(t, 200, nil)
	var done restoredAnswer
	s.do("POST", "/backup", saved, backupType).wants(t, 200, &done)
	if len(done.Changes) != 2 || len(done.Members) != 0 || len(done.Kept) != 1 {
		t.Errorf("answer %+v", done)
	}
	if body := string(s.get("/backends/files/members").body); !strings.Contains(body, `"maint"`) {
		t.Errorf("members %s", body)
	}
	s.get("/backends/later?draft=summer").wants(t, 200, nil)
	s.get("/backends/more").refused(t, 404, "not_found")
}

// TestABadBackupChangesNothing has every kind of damage.
func TestABadBackupChangesNothing(t *testing.T) {
	t.Parallel()
	s := filledFixture(t)
	saved := string(s.get("/backup").body)
	s.do("POST", "/backends/live", `{"version":"2.0.0"}`).wants(t, 200, nil)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(make([]byte, 1<<20)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	bomb = *bytes.NewBuffer(bytes.Repeat(bomb.Bytes(), 32)) // parts one after the other are one text
	for text, want := range map[string]string{
		"":                     "is not that of a backup",
		saved[:len(saved)/2]:   "is incomplete",
		saved[:len(saved)-1]:   "is incomplete",
		bomb.String():          "is compressed with gzip",
		saved + "x":            "behind the end",
		`{"version":1}` + "\n": "is not that of a backup",
		strings.Replace(saved, `"version":1,`, `"version":3,`, 1): "a newer Thalassa",
		strings.Replace(saved, "8080", "8081", 1):                 "its digest is not that of its contents",
	} {
		f := s.do("POST", "/backup", text, backupType).refused(t, 400, "invalid")
		if !strings.Contains(f.Error, want) {
			t.Errorf("%.40q: %s, want %s", text, f.Error, want)
		}
	}
	for _, ct := range []string{"application/x-www-form-urlencoded", "text/plain", "application/json"} {
		s.do("POST", "/backup", saved, "Content-Type: "+ct).refused(t, 415, "invalid")
	}
	s.do("POST", "/backup?draft=1", saved, backupType).refused(t, 400, "invalid")
	s.do("POST", "/backup?wait=soon&what=1", saved, backupType).refused(t, 400, "invalid")
	s.get("/backup?keys=1").refused(t, 400, "invalid")
	if body := string(s.get("/backends/live").body); !strings.Contains(body, `"version":"2.0.0"`) {
		t.Errorf("backend %s", body)
	}
	if list, err := s.Revisions(t.Context(), 0, 9); err != nil || len(list) != 4 {
		t.Errorf("%d revisions, %v", len(list), err)
	}
	// What was sound would have been restored.
	s.do("POST", "/backup", saved, backupType).wants(t, 200, nil)
}

// TestARefusedRestoreIsWhole: what is refused of the objects keeps the rest back, too.
func TestARefusedRestoreIsWhole(t *testing.T) {
	t.Parallel()
	s := filledFixture(t)
	s.do("POST", "/backends/files/members/10.10.10.10:8080", `{"state":"drain"}`).wants(t, 200, nil)
	s.do("POST", "/drafts", `{"id":"summer"}`).wants(t, http.StatusCreated, nil)
	saved := string(s.get("/backup").body)
	empty := newFixture(t)
	empty.Fail(&lb.RefusedError{Output: "[ALERT] no"})
	empty.do("POST", "/backup", saved, backupType).refused(t, 422, "refused")
	empty.Fail(nil)
	if list := string(empty.get("/drafts").body); list != "[]\n" || len(empty.Snapshot().Overrides.All()) > 0 {
		t.Errorf("drafts %s, members %v", list, empty.Snapshot().Overrides.All())
	}
}

func TestABackupIsAudited(t *testing.T) {
	t.Parallel()
	s := filledFixture(t, apitest.Guarded(t))
	s.get("/backup", bearer(apitest.AdminToken)).wants(t, 200, nil)
	s.get("/backup", bearer(apitest.OperateToken)).refused(t, 403, "forbidden")
	s.do("POST", "/backup", emptyBackup, backupType, bearer(apitest.AdminToken)).wants(t, 200, nil)
	list, err := s.Audited.Records(t.Context(), audit.Query{Limit: 3})
	if err != nil || len(list) != 3 || list[0].Action != audit.Change || list[0].Revision != 4 || list[1].Action != audit.Refused || list[2].Action != audit.Export || list[2].Status != 200 {
		t.Errorf("records %+v, %v", list, err)
	}
}

// fullBackups has more than a backup may have.
type fullBackups struct{ api.Backups }

func (fullBackups) WriteBackup(context.Context, io.Writer, backup.Header, func(stage.Backup) ([]byte, error)) error {
	return &backup.TooLargeError{Size: 100 << 20}
}

func TestABackupThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	s := newFixture(t, func(c *api.Config) { c.Backups = fullBackups{c.Backups} })
	f := s.get("/backup").refused(t, 409, "conflict")
	if !strings.Contains(f.Error, "delete or commit drafts") {
		t.Errorf("error %q", f.Error)
	}
}
