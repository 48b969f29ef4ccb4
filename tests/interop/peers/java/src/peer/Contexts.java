// SPDX-License-Identifier: Apache-2.0
package peer;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.cose.AlgorithmID;
import org.eclipse.californium.elements.EndpointContext;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.config.UdpConfig;
import org.eclipse.californium.oscore.ContextRederivation.PHASE;
import org.eclipse.californium.oscore.OSCoreCtx;
import org.eclipse.californium.oscore.OSCoreEndpointContextInfo;
import org.eclipse.californium.oscore.OSException;

/** Security contexts from SPEC: secret=HEX,salt=HEX,sid=HEX,rid=HEX[,idctx=HEX][,alg=N][,hkdf=sha256|sha512][,window=N]
 * [,seq=N][,b2]. sid is this peer's own Sender ID; b2 is appendix B.2 of RFC 8613, which a client begins, or with b2=wait
 * does when the server asks. */
final class Contexts {
    static final int BODY_MAX = 4 << 20;

    static {
        CoapConfig.register();
        UdpConfig.register();
    }

    private Contexts() {
    }

    static Configuration configuration() {
        Configuration c = Configuration.createStandardWithoutFile();
        c.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, BODY_MAX);
        c.set(CoapConfig.PREFERRED_BLOCK_SIZE, 1024);
        c.set(CoapConfig.MAX_MESSAGE_SIZE, 1024);
        return c;
    }

    static Map<String, String> fields(String spec, String between) {
        Map<String, String> found = new HashMap<>();
        for (String part : spec.split(between)) {
            int at = part.indexOf('=');
            found.put(at < 0 ? part : part.substring(0, at), at < 0 ? "" : part.substring(at + 1));
        }
        return found;
    }

    private static AlgorithmID algorithm(int number) {
        for (AlgorithmID each : AlgorithmID.values()) {
            if (each.AsCBOR().AsInt32() == number) {
                return each;
            }
        }
        throw new IllegalArgumentException("unknown algorithm " + number);
    }

    static OSCoreCtx read(String spec, boolean client) throws OSException {
        Map<String, String> f = fields(spec, ",");
        AlgorithmID hkdf = f.getOrDefault("hkdf", "sha256").equals("sha512") ? AlgorithmID.HKDF_HMAC_SHA_512
                : AlgorithmID.HKDF_HMAC_SHA_256;
        OSCoreCtx made = new OSCoreCtx(Json.unhex(f.get("secret")), client,
                algorithm(Integer.parseInt(f.getOrDefault("alg", "10"))), Json.unhex(f.get("sid")), Json.unhex(f.get("rid")),
                hkdf, Integer.parseInt(f.getOrDefault("window", "32")), Json.unhex(f.get("salt")), Json.unhex(f.get("idctx")),
                BODY_MAX);
        made.setSenderSeq(Integer.parseInt(f.getOrDefault("seq", "0")));
        if (f.containsKey("idctx") && client) {
            made.setIncludeContextId(true);
        }
        if (f.containsKey("b2")) {
            made.setContextRederivationEnabled(true);
            if (client && !f.get("b2").equals("wait")) {
                made.setContextRederivationPhase(PHASE.CLIENT_INITIATE);
            }
        }
        return made;
    }

    private static String lower(String hex) {
        return hex == null ? null : hex.toLowerCase(Locale.ROOT);
    }

    /** Whether a message came sealed, and under what. */
    static void describe(Json to, EndpointContext from) {
        String rid = from == null ? null : from.get(OSCoreEndpointContextInfo.OSCORE_RECIPIENT_ID);
        String idContext = rid == null ? null : from.get(OSCoreEndpointContextInfo.OSCORE_CONTEXT_ID);
        to.put("protected", rid != null).put("kid", lower(rid)).put("id_context", lower(idContext));
    }

    static boolean isSealed(EndpointContext from) {
        return from != null && from.get(OSCoreEndpointContextInfo.OSCORE_RECIPIENT_ID) != null;
    }
}
