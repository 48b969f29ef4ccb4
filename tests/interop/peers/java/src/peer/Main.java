// SPDX-License-Identifier: Apache-2.0
package peer;

import java.util.Arrays;

/** CoAP peer of the tests on Californium, plain and OSCORE, over UDP. One JSON line an event on standard output.
 *
 * <pre>
 * server --port P [--context SPEC]... [--required]
 * client                        requests on standard input, see Client
 * </pre>
 *
 * SPEC is described in Contexts. */
public final class Main {
    static {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", System.getenv().getOrDefault("PEER_LOG", "error"));
    }

    private Main() {
    }

    public static void main(String[] argv) throws Exception {
        String command = argv.length == 0 ? "" : argv[0];
        String[] rest = Arrays.copyOfRange(argv, Math.min(1, argv.length), argv.length);
        if (command.equals("server")) {
            Server.run(rest);
        } else if (command.equals("client")) {
            Client.run();
        } else {
            System.err.println("usage: peer server|client ...");
            System.exit(64);
        }
    }
}
