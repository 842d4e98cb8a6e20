package api_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"thalassa/api/apitest"
	"thalassa/audit"
	"thalassa/internal/testkit"
)

func secret(passphrase string) string {
	return "Thalassa-Passphrase: " + base64.StdEncoding.EncodeToString([]byte(passphrase))
}

// TestABackupBringsKeysBack restores certificates on a node that has no keys.
func TestABackupBringsKeysBack(t *testing.T) {
	t.Parallel()
	const passphrase = "correct horse battery"
	s := filledFixture(t, apitest.Guarded(t))
	pair := testkit.NewAuthority(t).Issue(t, "shop.example")
	s.put("/certificates/shop", pair.Body())
	admin := bearer(apitest.AdminToken)
	in, err := s.Intent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	digest := in.Certificates["shop"].Files[0].Digest
	plain, saved := string(s.get("/backup", admin).body), string(s.get("/backup", admin, secret(passphrase)).body)
	if strings.Contains(plain, `"kind":"keys"`) || !strings.Contains(saved, `"kind":"keys"`) || strings.Contains(saved, "PRIVATE KEY") {
		t.Fatalf("without keys\n%s\nwith keys\n%s", plain, saved)
	}
	s.get("/backup", admin, secret("short")).refused(t, 400, "invalid")
	s.get("/backup", admin, "Thalassa-Passphrase: %").refused(t, 400, "invalid")
	if list, err := s.Audited.Records(t.Context(), audit.Query{Limit: 3}); err != nil || len(list) < 2 || !strings.Contains(list[0].Object+list[1].Object+list[2].Object, "keys") {
		t.Errorf("records %+v, %v", list, err)
	}
	empty := newFixture(t)
	for passphrase, body := range map[string]string{"correct horse batterx": saved, passphrase: plain} {
		f := empty.do("POST", "/backup", body, backupType, secret(passphrase)).refused(t, 400, "invalid")
		if len(f.Fields) == 0 || f.Fields[0].Path != "passphrase" || strings.Contains(f.Error, "horse") {
			t.Errorf("error %+v", f)
		}
	}
	if _, err := empty.Config().Keys.Text(digest); err == nil || string(empty.get("/backends").body) != "[]\n" {
		t.Error("a wrong passphrase has changed something")
	}
	empty.do("POST", "/backup", saved, backupType, secret(passphrase)).wants(t, 200, nil)
	if text, err := empty.Config().Keys.Text(digest); err != nil || !strings.Contains(string(text), "PRIVATE KEY") {
		t.Errorf("the key is not back: %v", err)
	}
}
