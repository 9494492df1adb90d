// Prints how go-ldap v3.4.13, which cert-manager 1.21.1 reads literalSubject with, reads texts (a module of that version has to be there):
// go run literal_subject.go > ../literal_subject.json
package main
import ("encoding/json";"os";"github.com/go-ldap/ldap/v3")
type row struct { Text string `json:"text"`; Parts [][][2]string `json:"parts"` }
func main(){
 texts := []string{"CN=foo","CN=foo,O=The \"Best\" Ltd","CN=a<b>c","CN=\"quoted\"","CN=\"a,b\"","CN=a\\,b","CN=a\\\"b","CN=a;O=b","CN=a+O=b","CN=a,,O=b","CN=","CN= a ,O= b ","CN=a\\ ","CN=\\ a","CN=#0c0141","CN=#zz","CN=#","CN=a#b","CN=\\#a","CN=a=b","CN","=a","","CN=a,","CN=\\C3\\A4","CN=ä","CN=\\41","CN=a\\","CN=a\\x","CN=a\\4","CN=a\x00b","cn=a","Cn =a","CN =a"," CN=a","CN=a\nb","2.5.4.3=a","CN=a\\=b","CN=a\\<b\\>","CN=a\\;b","CN=a|b","CN=a'b","CN=<","CN=>","CN=\"","O=x\\+y","CN=a\\/b","CN=a/b","CN=\ta"}
 var rows []row
 for _,t := range texts { dn,err := ldap.ParseDN(t); r:=row{Text:t}; if err==nil { r.Parts=[][][2]string{}; for _,rdn := range dn.RDNs { p:=[][2]string{}; for _,a := range rdn.Attributes { p=append(p,[2]string{a.Type,a.Value}) }; r.Parts=append(r.Parts,p)} }; rows=append(rows,r) }
 e:=json.NewEncoder(os.Stdout); e.SetEscapeHTML(false); os.Stdout.WriteString("["); for i,r := range rows { if i>0 {os.Stdout.WriteString(",")}; e.Encode(r)}; os.Stdout.WriteString("]\n")
}
