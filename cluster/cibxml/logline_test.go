package cibxml_test

import (
	"testing"

	"thalassa/cluster/cibxml"
)

// Values of the CIB are logged before anybody can know from the CIB that they are secret.
func TestValuesInLogs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`++                     <nvpair id="api-params-login" name="community" value="geheim 1"/>`:                                    `++                     <nvpair id="api-params-login" name="community" value="********"/>`,
		`++ <nvpair value="geheim" name="email" id="x"/> <nvpair id="y" name="target-role" value="Stopped"/>`:                         `++ <nvpair value="********" name="email" id="x"/> <nvpair id="y" name="target-role" value="Stopped"/>`,
		`++ <recipient id="hook-recipient" value="https://a.example/T0/geheim"/>`:                                                     `++ <recipient id="hook-recipient" value="********"/>`,
		`++ <nvpair id="vip-ip" name="ip" value="192.0.2.10"/>`:                                                                       `++ <nvpair id="vip-ip" name="ip" value="192.0.2.10"/>`,
		`+  /cib/configuration/resources/primitive[@id='api']/instance_attributes[@id='p']/nvpair[@id='p-passwd']:  @value=geheim, 2`: `+  /cib/configuration/resources/primitive[@id='api']/instance_attributes[@id='p']/nvpair[@id='p-passwd']:  @value=********`,
		`+  /cib/x:  @value=geheim, @name=a`:                                                                                          `+  /cib/x:  @value=********, @name=a`,
		`++ <primitive id="api" class="ocf" type="Dummy" description="log in with geheim">`:                                           `++ <primitive id="api" class="ocf" type="Dummy" description="********">`,
		`++ <acl_permission id="p" kind="deny" xpath="//nvpair[@value='geheim']"/>`:                                                   `++ <acl_permission id="p" kind="deny" xpath="********"/>`,
		`++ <expression id="e" attribute="rack" operation="eq" value="geheim > 4"/>`:                                                  `++ <expression id="e" attribute="rack" operation="eq" value="********"/>`,
		`++ <nvpair id="a" name="url" value="geheim that is lo`:                                                                       `++ <nvpair id="a" name="url" value="********`,
		`+  /cib/configuration/acls/acl_role[@id='r']:  @description=geheim, @x-y=geheim=2`:                                           `+  /cib/configuration/acls/acl_role[@id='r']:  @description=********, @x-y=********`,
		`+  /cib:  @epoch=7, @num_updates=0`:                                                                                          `+  /cib:  @epoch=7, @num_updates=0`,
		`* Wrote site[n1]=geheim`:                                                                                                     `* Wrote site[n1]=********`,
		`Cannot write site[n1]='geheim' to CIB because node's XML ID is unknown (will retry if learned)`:                              `Cannot write site[n1]=******** to CIB because node's XML ID is unknown (will retry if learned)`,
		`site[n1]: local value 'geheim' takes priority over 'geheim 2' from n2`:                                                       `site[n1]: local value ******** takes priority over ******** from n2`,
		`standby[n1]: local value 'on' takes priority over 'off' from n2`:                                                             `standby[n1]: local value on takes priority over off from n2`,
		`No allowed node for api matches node attribute rack=geheim`:                                                                  `No allowed node for api matches node attribute rack=********`,
		`* api_token[n1]=geheim`:              `* api_token[n1]=********`,
		`* site[n1]='geheim' is local-only`:   `* site[n1]=******** is local-only`,
		`* probe[n1]=1`:                       `* probe[n1]=1`,
		`* Could not write site[n1]=geheim 2`: `* Could not write site[n1]=********`,
		`Cannot update site[n1]=geheim because peer UUID not known (will retry if learned)`:                `Cannot update site[n1]=******** because peer UUID not known (will retry if learned)`,
		`Cannot update site[n1]='geheim' now because node's UUID is unknown (will retry if learned)`:       `Cannot update site[n1]=******** now because node's UUID is unknown (will retry if learned)`,
		`Failed to update site[n1]='geheim': Timer expired`:                                                `Failed to update site[n1]=********: Timer expired`,
		`Writing site[n1]=geheim (node-state-id=1 node-id=1)`:                                              `Writing site[n1]=******** (node-state-id=1 node-id=1)`,
		`Broadcasting site[n1]=geheim (with mismatch)`:                                                     `Broadcasting site[n1]=******** (with mismatch)`,
		`Syncing site[n1] = geheim to everyone`:                                                            `Syncing site[n1] = ******** to everyone`,
		`Sent alerts for site[n1]=geheim: nodeid=1 rc=0`:                                                   `Sent alerts for site[n1]=********: nodeid=1 rc=0`,
		`Could not update attribute site=geheim for cluster node n1: Timer expired`:                        `Could not update attribute site=******** for cluster node n1: Timer expired`,
		`Expanded site=geheim to 4`:                                                                        `Expanded site=******** to 4`,
		`Alert hook has recipient hook-r1 with value geheim and 2 envvars`:                                 `Alert hook has recipient hook-r1 with value ******** and 2 envvars`,
		`Filtering unwanted attribute 'x' alert to geheim via hook`:                                        `Filtering unwanted attribute 'x' alert to ******** via hook`,
		`pacemaker-based[77] is responding to IPC`:                                                         `pacemaker-based[77] is responding to IPC`,
		`Sending resource alert via hook to https://u:geheim@hook.example/x`:                               `Sending resource alert via hook to ********`,
		`+  /cib/x:  @value=7`:                                                                             `+  /cib/x:  @value=7`,
		`Setting api_token[n1]: (unset) -> geheim | from n1 with no write delay`:                           `Setting api_token[n1]: (unset) -> ******** | from n1 with no write delay`,
		`Setting site[n1] in instance_attributes: geheim -> geheim too | from n1 with 5s write delay`:      `Setting site[n1] in instance_attributes: ******** -> ******** | from n1 with 5s write delay`,
		`Setting fail-count-vip#monitor_10000[n1]: (unset) -> 1 | from n2 with no write delay`:             `Setting fail-count-vip#monitor_10000[n1]: (unset) -> 1 | from n2 with no write delay`,
		`Transition 3 aborted by nodes-1-hint doing create hint=geheim: Configuration change | cib=0.16.0`: `Transition 3 aborted by nodes-1-hint doing create hint=********: Configuration change | cib=0.16.0`,
		`Transition 3 aborted by vip-meta doing modify target-role=Stopped: Configuration change`:          `Transition 3 aborted by vip-meta doing modify target-role=Stopped: Configuration change`,
		`Result of start operation for vip on n1: ok`:                                                      `Result of start operation for vip on n1: ok`,
	} {
		if got := cibxml.MaskLog(text); got != want {
			t.Errorf("%s\nis shown as %s\nexpected    %s", text, got, want)
		}
	}
}
