// SPDX-License-Identifier: Apache-2.0
package peer;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.HashMap;
import java.util.Map;

import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapHandler;
import org.eclipse.californium.core.CoapObserveRelation;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.coap.CoAP.Code;
import org.eclipse.californium.core.coap.CoAP.Type;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.elements.AddressEndpointContext;
import org.eclipse.californium.elements.util.Bytes;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCoapStackFactory;
import org.eclipse.californium.oscore.OSCoreCtx;

/** A client that is asked on standard input, one request a line, words between blanks:
 *
 * <pre>
 * method=PUT uri=coap://127.0.0.1:5683/lock [payload=HEX] [context=SPEC] [renew] [proxy=URI] [non] [observe]
 * </pre>
 *
 * A context goes on as long as the process lives, or until renew, which begins anew at what SPEC says. With observe, an event
 * follows for each notification, until a line cancel. Events: ready, response, notified, cancelled, failed. */
final class Client {
    private static final long TIMEOUT_MS = 15000;
    private static final HashMapCtxDB CONTEXTS = new HashMapCtxDB();
    private static final Map<String, OSCoreCtx> MADE = new HashMap<>();
    private static final Map<String, String> USED = new HashMap<>();

    private static CoapObserveRelation observation;

    private Client() {
    }

    /** It looks for the context of a request by the server's URI, and puts there what appendix B.2 derives. */
    private static void select(String server, String spec, boolean renew) throws Exception {
        if (renew || !MADE.containsKey(spec)) {
            MADE.put(spec, Contexts.read(spec, true));
        } else if (spec.equals(USED.get(server))) {
            return;
        }
        USED.put(server, spec);
        CONTEXTS.addContext(server, MADE.get(spec));
    }

    private static Request build(Map<String, String> words) throws Exception {
        String uri = words.get("uri");
        Request request = new Request(Code.valueOf(words.get("method")), words.containsKey("non") ? Type.NON : Type.CON);
        if (words.containsKey("proxy")) {
            URI proxy = new URI(words.get("proxy"));
            request.setDestinationContext(
                    new AddressEndpointContext(new InetSocketAddress(proxy.getHost(), proxy.getPort())));
            request.setURI(uri);
            request.getOptions().setProxyScheme("coap");
        } else {
            request.setURI(uri);
        }
        if (!words.getOrDefault("payload", "").isEmpty()) {
            request.setPayload(Json.unhex(words.get("payload")));
        }
        String spec = words.get("context");
        if (spec != null) {
            select(uri.substring(0, uri.indexOf('/', "coap://".length())), spec, words.containsKey("renew"));
            request.getOptions().setOscore(Bytes.EMPTY);
        }
        return request;
    }

    private static void tell(String event, Response response) {
        Json told = Json.event(event).put("code", response.getCode().text).put("payload", Json.hex(response.getPayload()));
        Contexts.describe(told, response.getSourceContext());
        told.print();
    }

    /** The first notification is the response. */
    private static void observe(CoapEndpoint endpoint, Request request) {
        CoapClient client = new CoapClient();
        client.setEndpoint(endpoint);
        request.setObserve();
        observation = client.observe(request, new CoapHandler() {
            private String event = "response";

            @Override
            public void onLoad(CoapResponse response) {
                tell(event, response.advanced());
                event = "notified";
            }

            @Override
            public void onError() {
                Json.event("failed").put("why", "observation").print();
            }
        });
    }

    private static void ask(CoapEndpoint endpoint, String line) throws Exception {
        if (line.equals("cancel")) {
            observation.reactiveCancel();
            Json.event("cancelled").print();
            return;
        }
        Map<String, String> words = Contexts.fields(line, " ");
        Request request = build(words);
        if (words.containsKey("observe")) {
            observe(endpoint, request);
            return;
        }
        request.send(endpoint);
        Response response = request.waitForResponse(TIMEOUT_MS);
        if (response == null) {
            String why = request.isRejected() ? "reset" : request.getSendError() != null ? "send" : "timeout";
            Json.event("failed").put("why", why).put("error", request.getSendError()).print();
            request.cancel();
            return;
        }
        tell("response", response);
    }

    static void run() throws Exception {
        CoapEndpoint endpoint = CoapEndpoint.builder().setConfiguration(Contexts.configuration())
                .setInetSocketAddress(new InetSocketAddress("127.0.0.1", 0))
                .setCoapStackFactory(new OSCoreCoapStackFactory()).setCustomCoapStackArgument(CONTEXTS).build();
        endpoint.start();
        Json.event("ready").print();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            ask(endpoint, line);
        }
        endpoint.stop();
        System.exit(0);
    }
}
