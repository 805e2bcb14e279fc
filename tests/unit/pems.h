/* SPDX-License-Identifier: Apache-2.0 */

/* Certificates and keys of nobody, valid for a century: two with elliptic curves, one with RSA. */
#pragma once

static const char __attribute__((unused)) pem_first_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbjCCARWgAwIBAgIUF/VsJrN0plw3UOhu3buKqSihG10wCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBYTAgFw0yNjExMjExNzMzMTJaGA8yMTI2MTAyODE3MzMxMlow\n"
    "DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGh4gCdwQ2kC\n"
    "3EY2BM0SMjvl/udB0zvS/Pwic2mIE/+Mauq/TyxQrhDjS/bTFGbXKdoLe7pRjxCY\n"
    "nRbbJi+yAbyjUzBRMB0GA1UdDgQWBBQX5ViK6N3iACD4r8ae4a+7b6DLgTAfBgNV\n"
    "HSMEGDAWgBQX5ViK6N3iACD4r8ae4a+7b6DLgTAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0cAMEQCIHPXDoSSMxJc86k/a7RpspJDAdfTCmIybmh4kXU6XikR\n"
    "AiA4K+HZeXUaw6o0i7V11JCtXAZ4Af7QE2EU2ONlJhNsxQ==\n"
    "-----END CERTIFICATE-----\n";

static const char __attribute__((unused)) pem_first_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvi3G5dskBtNaX7a6\n"
    "imi0QGGP1oBxQU0Y+c11tPcpzFGhRANCAARoeIAncENpAtxGNgTNEjI75f7nQdM7\n"
    "0vz8InNpiBP/jGrqv08sUK4Q40v20xRm1ynaC3u6UY8QmJ0W2yYvsgG8\n"
    "-----END PRIVATE KEY-----\n";

static const char __attribute__((unused)) pem_second_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbzCCARWgAwIBAgIUCiXS1LlTw20Zy/jAziS8GtVftj8wCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBYjAgFw0yNjExMjExNzMzMTJaGA8yMTI2MTAyODE3MzMxMlow\n"
    "DDEKMAgGA1UEAwwBYjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBDmehW4okM8\n"
    "+ZsoFjyOLTsKXIkh2M++P0EoYttEFByy/MwIznmCLs1YGpNvsQCGNt+aKxJeS4q7\n"
    "1raW8rmrgcmjUzBRMB0GA1UdDgQWBBS2mA9lC1+tMjSYhYrKjm8HkLJyITAfBgNV\n"
    "HSMEGDAWgBS2mA9lC1+tMjSYhYrKjm8HkLJyITAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0gAMEUCIHTtN7U70HJ+w4rwL92W5wUIwm9aUgMtqC+URP8xq7Cs\n"
    "AiEAmzLWgHT97JrCw79rFOZNqIpPmnQEXGToFweq7m9RBRk=\n"
    "-----END CERTIFICATE-----\n";

static const char __attribute__((unused)) pem_second_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLICEBs1S1pDk9lUE\n"
    "gA9OivJvWTCt3IGFoYiypeiIjPOhRANCAAQQ5noVuKJDPPmbKBY8ji07ClyJIdjP\n"
    "vj9BKGLbRBQcsvzMCM55gi7NWBqTb7EAhjbfmisSXkuKu9a2lvK5q4HJ\n"
    "-----END PRIVATE KEY-----\n";

static const char __attribute__((unused)) pem_rsa_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIDETCCAfmgAwIBAgIUfG+3P/YCeQXu8P2zQGoq4ScSvyswDQYJKoZIhvcNAQEL\n"
    "BQAwDDEKMAgGA1UEAwwBcjAgFw0yNjExMjExNzMzMTJaGA8yMTI2MTAyODE3MzMx\n"
    "MlowDDEKMAgGA1UEAwwBcjCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEB\n"
    "AKIvJjoe71rlmO/mznguzQ+w8Bu67sXWNSKePp7thqCqeBEqIa7teysq6veZjpMu\n"
    "54v7fHr6gQ5bDocIYOVC5NKFX0IrZ9deZWNlqa2uthyr9dWX277svLxZLAnFZlyX\n"
    "mhQQFsD+NZ8pfr4XNCPz4R9ujMqIGEdu4ai8AXRRG98gX6DaeMqdZmTCkHRslkPC\n"
    "MG5D7e50DjuMYLxb0HRs77yCai5JJXJ8s0j1GDx//Wj4LyqsynfDlQvExqiaYZ6z\n"
    "LXQF4Z3jwYoXOn53pWIAkDyvabIBPUfXNl/i3t64GFyPXjCkVWqja8+mlHTeYoXr\n"
    "BigSRPQmrH0rKy1okeXebRMCAwEAAaNpMGcwHQYDVR0OBBYEFK/u+NzM6g1tk62U\n"
    "ADddwL6MRgtmMB8GA1UdIwQYMBaAFK/u+NzM6g1tk62UADddwL6MRgtmMA8GA1Ud\n"
    "EwEB/wQFMAMBAf8wFAYDVR0RBA0wC4IJbG9jYWxob3N0MA0GCSqGSIb3DQEBCwUA\n"
    "A4IBAQAOX1nxGbXUuFsrCs2Y+SjHqumuuBuurfsotT3gjMxp8jtdQgF2SDtH+10/\n"
    "BkdczZJkLhH4ZvhHkFlHeZwkr8oofDBTLs7asYo5Xb0X5qhL2k2Fc9sXeICK6INl\n"
    "xvOeGf7bItbu91QSmyFrxQdARBbRR1mgqNndoFmsZfGvlnxGljhCL+GcrvJtcpuE\n"
    "T/YpBj94ew/uve7wEqGlB4TAmxuUmxSFKsIwQJ1QMCAY+pPJOlCgwKHrp35v2qYP\n"
    "ulrKi5r2lFAVpQPynDmUseLM4O30btRRTYHQ1i2cKesoVBXfL/UHw1OOBkUYgbAd\n"
    "X8RbgdxVtJTuzIu6uVZNj5z2inkr\n"
    "-----END CERTIFICATE-----\n";

static const char __attribute__((unused)) pem_rsa_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCiLyY6Hu9a5Zjv\n"
    "5s54Ls0PsPAbuu7F1jUinj6e7YagqngRKiGu7XsrKur3mY6TLueL+3x6+oEOWw6H\n"
    "CGDlQuTShV9CK2fXXmVjZamtrrYcq/XVl9u+7Ly8WSwJxWZcl5oUEBbA/jWfKX6+\n"
    "FzQj8+EfbozKiBhHbuGovAF0URvfIF+g2njKnWZkwpB0bJZDwjBuQ+3udA47jGC8\n"
    "W9B0bO+8gmouSSVyfLNI9Rg8f/1o+C8qrMp3w5ULxMaommGesy10BeGd48GKFzp+\n"
    "d6ViAJA8r2myAT1H1zZf4t7euBhcj14wpFVqo2vPppR03mKF6wYoEkT0Jqx9Kyst\n"
    "aJHl3m0TAgMBAAECggEADzWATmqaPZofjNfGViTlaNEWvMyVGaTF2AvVvLRyyVxT\n"
    "GCD57NwrKCT4YrHAWgyuMBIsXgf7bd8CIY2alvh+Wg07aqQeMwDDxBEQWwMLfVLV\n"
    "VR6bJjz8uGXDjtyd7C7w7WxSbFTEFVUgPclFQ93Z9BQIGSVI4y7PWjIPQ0Fb7Y3t\n"
    "IzoJF6KQyyPnnLlxGvD6az541VK3I5rwlfu+k2ZgQPAcpdCjWtGfAnk8co1EoteJ\n"
    "ORz+4TreW6XXl0TDgvUO+zhdnZT4znMoemt/n3Gh5WAIos2uCD2t5JJxEWInOTze\n"
    "kUBO3WsDTYHTqf6A4CQH02maVleS7kNdf1qDlowYmQKBgQDZvO5quObvJ2o82VXr\n"
    "I5Bksh8wjN77bGi2uVgOs03I8e+8ME9LFHUrWpjEf9Y6Z5eE5HZiczwqqdT49Lxl\n"
    "/KvmvdQZjaypnu3g4iXmnUcsuis9iGEAYtLOq1W8TSN7vSDBFlNatmajPha69Qmn\n"
    "Y+Qil7/aiWXqmZl+UPS9HKM/9QKBgQC+rxjWPa5InZRT4ShNwPouMmNvUifYNGGh\n"
    "MUuyIMEG4RWgDrvyiGjgU4VRgTnJZh/OcehDSST0B3AwdfILaBabjNvYy0CqhlWO\n"
    "h4Sew3jkuL64uEmjAnh5TmrTpipPMAClS52LMJbkyeX5v1JzGAaB0MskCBXnhsAl\n"
    "h3fy92F75wKBgASDA7W2ayKdgHgOUNd0fzN29Wp+IMi48FqI8KgtUvlM+hi+L4Zw\n"
    "wBTL5cp8k6XWK6+XRFS56o8/waf++kBqwe0gFdsJsoA5SNiWFw72R1lH6kl2H/xw\n"
    "D8o0hqxGNOwFeT5HBiclDG9pg/MPzMlpKnsFBfazTidUU3fomYmppEBZAoGAW3QP\n"
    "LXGXzSwGn9Q1SFVtqApytklo4sD8shq6e0xKR8pcXM+0RLY31p84KccYuAdK6fCn\n"
    "vN2v43pNzHBFDkN11FTSfD+/XAnhruJAMQT/TnNsxZtdddkRftylT606TZBwPtbt\n"
    "UHyVYlWS/x1Lpfe35zsEsttN5iUyss0uMlGDZ7ECgYEA0uvxb0ZhwVMzy0kQb0Pu\n"
    "S946WELEGpCbppQi+Cl4eM5HIUl1m58hn4cXwiN3S0AIVwNXb16Np2WhrSj+I2jX\n"
    "nk7nrPTSGCU7J14adpoVVRDlZSttRI+FkneAYzgr3yybX+goOVSDqk4NIXNbMPl6\n"
    "h0Jzb6730T5drG+vpn4yuBA=\n"
    "-----END PRIVATE KEY-----\n";
