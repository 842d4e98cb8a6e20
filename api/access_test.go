package api_test

import (
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
)

// Everybody learns who they are and what they may do.
func TestWhoAmI(t *testing.T) {
	f := newFixture(t, apitest.Limited(t))
	for token, want := range map[string]string{
		apitest.OperateToken:     `{"name":"operator","role":"operate","authentication":true,"how":"token"}`,
		apitest.ShopDeployToken:  `{"name":"shop-deployer","role":"deploy","on":["backend/shop-*","certificate/shop-*","cluster/shop-*","frontend/www"],"see":true,"authentication":true,"how":"token"}`,
		apitest.BlindDeployToken: `{"name":"blind-deployer","role":"deploy","on":["backend/shop-*","certificate/shop-*","cluster/shop-*","frontend/www"],"see":false,"authentication":true,"how":"token"}`,
	} {
		same(t, f.get("/session", bearer(token)).body, want)
	}
	r := f.do("POST", "/session", `{"token":"`+apitest.ShopAdminToken+`"}`)
	cookie, _, _ := strings.Cut(r.header.Get("Set-Cookie"), ";")
	var began, now struct {
		On           []string
		How, Session string
	}
	r.wants(t, 200, &began)
	f.get("/session", "Cookie: "+cookie).wants(t, 200, &now)
	if len(began.On) != 4 || began.Session == "" || now.Session != began.Session || now.How != "token" {
		t.Errorf("%+v, %+v", began, now)
	}
}

// Admins see who has which rights, and no secret.
func TestAccess(t *testing.T) {
	f := newFixture(t, apitest.Limited(t))
	r := f.get("/access", bearer(apitest.AdminToken))
	var list []struct {
		Kind, Name, Role, File string
		On                     []string
		See                    *bool
	}
	r.wants(t, 200, &list)
	if len(list) != 9 || list[3].Name != "boss" || list[3].On != nil || list[3].See != nil || list[3].Kind != "token" || list[3].File != "access" {
		t.Errorf("%+v", list)
	}
	if last := list[8]; last.Name != "blind-boss" || len(last.On) != 4 || last.See == nil || *last.See {
		t.Errorf("%+v", last)
	}
	if strings.Contains(string(r.body), "sha256") || strings.Contains(string(r.body), "argon2") {
		t.Errorf("%s", r.body)
	}
	f.get("/access", bearer(apitest.ShopAdminToken)).refused(t, 403, "forbidden")
	same(t, newFixture(t, func(c *api.Config) { c.Authority = apitest.User(t) }).get("/access", "Authorization: Bearer x").body,
		`{"error":"the token is not known","code":"unauthorized"}`)
	same(t, newFixture(t).get("/access").body, `[]`)
	tokens := newFixture(t, apitest.Guarded(t)).get("/access", bearer(apitest.AdminToken)).body
	if !strings.Contains(string(tokens), `{"kind":"token","name":"boss","role":"admin","file":"tokens"}`) {
		t.Errorf("%s", tokens)
	}
}
